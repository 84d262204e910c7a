import { type Capacity, DIMENSIONS } from '../../units';
import type { SnapshotHost } from '../model';

const D = DIMENSIONS.length;

/** What hosts have left, and what VEEs need: sizes that are alike are one shape, known by its number. */
export class Rooms {
  private readonly shapes: Float64Array[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly free: Float64Array;
  /** One by what a host has, so that a share is a product. */
  private readonly perCapacity: Float64Array;
  /** What the host that has most has of each dimension. */
  private readonly largest: Float64Array;

  constructor(hosts: readonly SnapshotHost[]) {
    this.free = Float64Array.from(hosts.flatMap((h) => DIMENSIONS.map((d) => h.capacity[d] - h.reserved[d])));
    this.perCapacity = Float64Array.from(
      hosts.flatMap((h) => DIMENSIONS.map((d) => 1 / Math.max(h.capacity[d], 1))),
    );
    this.largest = Float64Array.from(DIMENSIONS, (d) =>
      hosts.reduce((m, h) => Math.max(m, h.capacity[d]), 1),
    );
  }

  shapeOf(need: Capacity): number {
    const name = DIMENSIONS.map((d) => need[d]).join(' ');
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    this.numbers.set(name, this.shapes.length);
    return this.shapes.push(Float64Array.from(DIMENSIONS, (d) => need[d])) - 1;
  }

  /** What several need together. */
  sumOf(shapes: readonly number[]): number {
    const [only] = shapes;
    if (only !== undefined && shapes.length === 1) return only;
    const all = shapes.map((shape) => this.shapes[shape] as Float64Array);
    const sum = (n: number) => all.reduce((s, need) => s + (need[n] as number), 0);
    const [cpuMillis, memoryMiB, diskMiB, bandwidthKbps] = [sum(0), sum(1), sum(2), sum(3)];
    return this.shapeOf({ cpuMillis, memoryMiB, diskMiB, bandwidthKbps });
  }

  /** The largest share of the roomiest host in any dimension. */
  sizeOf(shape: number): number {
    const need = this.shapes[shape] as Float64Array;
    let size = 0;
    for (let d = 0; d < D; d++) size = Math.max(size, (need[d] as number) / (this.largest[d] as number));
    return size;
  }

  /** The smallest such share, of what it needs at all; nothing of what needs nothing. */
  leastShareOf(shape: number): number | undefined {
    const need = this.shapes[shape] as Float64Array;
    let least = Number.POSITIVE_INFINITY;
    for (let d = 0; d < D; d++) {
      const share = (need[d] as number) / (this.largest[d] as number);
      if (share > 0 && share < least) least = share;
    }
    return least === Number.POSITIVE_INFINITY ? undefined : least;
  }

  /** @param times how often it takes the shape out of what is left: less than nought gives it back */
  use(shape: number, host: number, times: 1 | -1): void {
    const need = this.shapes[shape] as Float64Array;
    const at = host * D;
    for (let d = 0; d < D; d++)
      this.free[at + d] = (this.free[at + d] as number) - times * (need[d] as number);
  }

  fits(shape: number, host: number): boolean {
    const need = this.shapes[shape] as Float64Array;
    const at = host * D;
    for (let d = 0; d < D; d++) if ((need[d] as number) > (this.free[at + d] as number)) return false;
    return true;
  }

  /** Is there room for all of them? */
  fitTogether(shapes: readonly number[], host: number): boolean {
    for (let d = 0; d < D; d++) {
      let left = this.free[host * D + d] as number;
      for (const shape of shapes) left -= (this.shapes[shape] as Float64Array)[d] as number;
      if (left < 0) return false;
    }
    return true;
  }

  /** How full a host is in the dimension that runs out first. */
  loadOf(host: number): number {
    const at = host * D;
    let load = 0;
    for (let d = 0; d < D; d++) {
      const used = 1 - (this.free[at + d] as number) * (this.perCapacity[at + d] as number);
      if (used > load) load = used;
    }
    return load;
  }

  /** How full it would be with one more. */
  loadWith(shape: number, host: number): number {
    const need = this.shapes[shape] as Float64Array;
    const at = host * D;
    let load = 0;
    for (let d = 0; d < D; d++) {
      const left = (this.free[at + d] as number) - (need[d] as number);
      const used = 1 - left * (this.perCapacity[at + d] as number);
      if (used > load) load = used;
    }
    return load;
  }
}
