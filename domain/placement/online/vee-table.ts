const FEWEST = 1_024;
const NONE = -1;

/** Each VEE in twenty bytes: its kind, its shape, its host, and its neighbours in the list of what is on that. */
export class VeeTable {
  private kinds = new Int32Array(FEWEST);
  private shapes = new Int32Array(FEWEST);
  private hosts = new Int32Array(FEWEST).fill(NONE);
  private nexts = new Int32Array(FEWEST);
  private previous = new Int32Array(FEWEST);
  private heads = new Int32Array(0);
  private free: number[] = [];
  private used = 0;

  kind = (vee: number): number => this.kinds[vee] as number;
  shape = (vee: number): number => this.shapes[vee] as number;
  host = (vee: number): number => this.hosts[vee] as number;

  /** @returns its number, which is given again once it is removed */
  add(kind: number, shape: number, host: number): number {
    const vee = this.free.pop() ?? this.used++;
    if (vee >= this.kinds.length) this.grow();
    if (host >= this.heads.length) this.heads = widened(this.heads, Math.max(FEWEST, 2 * host));
    const head = this.heads[host] as number;
    this.kinds[vee] = kind;
    this.shapes[vee] = shape;
    this.hosts[vee] = host;
    this.nexts[vee] = head;
    this.previous[vee] = NONE;
    if (head !== NONE) this.previous[head] = vee;
    this.heads[host] = vee;
    return vee;
  }

  remove(vee: number): void {
    const [before, after] = [this.previous[vee] as number, this.nexts[vee] as number];
    if (before === NONE) this.heads[this.hosts[vee] as number] = after;
    else this.nexts[before] = after;
    if (after !== NONE) this.previous[after] = before;
    this.hosts[vee] = NONE;
    this.free.push(vee);
  }

  /** The VEEs of a host, the last that came first. */
  on(host: number): number[] {
    const found: number[] = [];
    for (let vee = this.heads[host] ?? NONE; vee !== NONE; vee = this.nexts[vee] as number) found.push(vee);
    return found;
  }

  private grow(): void {
    const size = 2 * this.kinds.length;
    this.kinds = widened(this.kinds, size);
    this.shapes = widened(this.shapes, size);
    this.hosts = widened(this.hosts, size);
    this.nexts = widened(this.nexts, size);
    this.previous = widened(this.previous, size);
  }
}

function widened(from: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(size).fill(NONE);
  wider.set(from);
  return wider;
}
