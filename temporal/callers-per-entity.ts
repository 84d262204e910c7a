/** The server slows down sharply beyond ten Updates in flight to one workflow (notes: 20 callers get a third of what 8 get). */
const MOST_AT_ONCE = 8;

/** Lets at most eight callers of this process at one entity; the others wait in line. */
export class CallersPerEntity {
  private readonly lines = new Map<string, { inside: number; waiting: (() => void)[] }>();

  async one<T>(entity: string, call: () => Promise<T>): Promise<T> {
    const line = this.lines.get(entity) ?? { inside: 0, waiting: [] };
    this.lines.set(entity, line);
    if (line.inside >= MOST_AT_ONCE) await new Promise<void>((enter) => line.waiting.push(enter));
    else line.inside++;
    try {
      return await call();
    } finally {
      const next = line.waiting.shift();
      if (next) next();
      else if (--line.inside === 0) this.lines.delete(entity);
    }
  }
}
