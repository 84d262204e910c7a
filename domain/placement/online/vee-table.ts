const FEWEST = 1_024;

/** Each VEE in twelve bytes: its kind, its shape and its host. */
export class VeeTable {
  private kinds = new Int32Array(FEWEST);
  private shapes = new Int32Array(FEWEST);
  private hosts = new Int32Array(FEWEST);
  private readonly free: number[] = [];
  private used = 0;

  kind = (vee: number): number => this.kinds[vee] as number;
  shape = (vee: number): number => this.shapes[vee] as number;
  host = (vee: number): number => this.hosts[vee] as number;

  /** @returns its number, which is given again once it is removed */
  add(kind: number, shape: number, host: number): number {
    const vee = this.free.pop() ?? this.used++;
    if (vee >= this.kinds.length) this.grow();
    this.kinds[vee] = kind;
    this.shapes[vee] = shape;
    this.hosts[vee] = host;
    return vee;
  }

  remove(vee: number): void {
    this.free.push(vee);
  }

  private grow(): void {
    const widened = (from: Int32Array<ArrayBuffer>) => {
      const wider = new Int32Array(2 * from.length);
      wider.set(from);
      return wider;
    };
    this.kinds = widened(this.kinds);
    this.shapes = widened(this.shapes);
    this.hosts = widened(this.hosts);
  }
}
