import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { CellResult } from './batch';
import { type Cell, cellName } from './cells';

const DIST = join(__dirname, '..', '..', '..');

type Line = Pick<CellResult, 'outcome' | 'movedAfterMillis' | 'fault'> & { readonly cell: string };

/**
 * What a long run has found so far, a JSON line for each cell, so that one that was cut short goes on where it was.
 * A red cell stays red: only without its record is it run again.
 */
export class MatrixRecord {
  private constructor(
    private readonly file: string,
    private readonly lines: ReadonlyMap<string, Line>,
  ) {}

  /** @throws Error when it is of another build of the product: cells that other code passed prove nothing. */
  static open(file: string, build = productHash()): MatrixRecord {
    if (!existsSync(file)) {
      appendFileSync(file, `${JSON.stringify({ build })}\n`);
      return new MatrixRecord(file, new Map());
    }
    const text = readFileSync(file, 'utf8');
    const [head, ...lines] = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    if (head?.build !== build)
      throw new Error(`${file} holds the cells of another build: name another file, or remove it.`);
    // The last line has no end when the run was killed as it wrote it: what is added next must not follow that.
    truncateSync(file, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
    return new MatrixRecord(file, new Map(lines.map((line: Line) => [line.cell, line])));
  }

  find(cell: Cell): CellResult | undefined {
    const line = this.lines.get(cellName(cell));
    return line && { ...line, cell };
  }

  add(results: readonly CellResult[]): void {
    const text = results.map((r) => `${JSON.stringify({ ...r, cell: cellName(r.cell) } satisfies Line)}\n`);
    appendFileSync(this.file, text.join(''));
  }
}

/** Of all that is built but the tests and benches. The bundle is left out: it is made of the rest, and holds paths. */
function productHash(): string {
  const hash = createHash('sha256');
  const files = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js') && !/^(test|bench)\/|^workflow-bundle/.test(name))
    .sort();
  for (const name of files) hash.update(`${name}\0`).update(readFileSync(join(DIST, name)));
  return hash.digest('hex').slice(0, 16);
}
