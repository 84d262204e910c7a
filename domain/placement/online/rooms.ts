import {
  amountOf,
  type Capacity,
  type Dimension,
  dimensionsOf,
  dimensionsOfAll,
  isDevice,
} from '../../units';
import type { SnapshotHost } from '../model';
import { ShapeTable } from './shape-table';

/** What hosts have left, and what VEEs need: sizes that are alike are one shape, known by its number. */
export class Rooms {
  private readonly dimensions: readonly Dimension[];
  private readonly shapes: ShapeTable;
  private readonly free: Float64Array;
  /** One by what a host has, so that a share is a product. */
  private readonly perCapacity: Float64Array;
  /** What the host that has most has of each dimension. */
  private readonly largest: Float64Array;

  /** @param dimensions all that any of the VEEs may need; those that hosts have where nothing is said */
  constructor(
    hosts: readonly SnapshotHost[],
    dimensions: readonly Dimension[] = dimensionsOfAll(hosts.map((h) => h.capacity)),
  ) {
    this.dimensions = dimensions;
    this.shapes = new ShapeTable(dimensions.length);
    const ofAll = (amount: (h: SnapshotHost, d: Dimension) => number) =>
      Float64Array.from(hosts.flatMap((h) => dimensions.map((d) => amount(h, d))));
    this.free = ofAll((h, d) => amountOf(h.capacity, d) - amountOf(h.reserved, d));
    this.perCapacity = ofAll((h, d) => {
      const has = amountOf(h.capacity, d);
      // Of a device that it has none of a host is not full: what comes of this is no number, and so never the largest.
      return has === 0 && isDevice(d) ? Number.NaN : 1 / Math.max(has, 1);
    });
    this.largest = Float64Array.from(dimensions, (d) =>
      hosts.reduce((m, h) => Math.max(m, amountOf(h.capacity, d)), 1),
    );
  }

  private get needs(): Uint32Array {
    return this.shapes.needs;
  }

  /** @throws {RangeError} of what needs a device that is not among the dimensions */
  shapeOf(need: Capacity): number {
    const { dimensions } = this;
    const unknown = dimensionsOf(need).find((d) => !dimensions.includes(d));
    if (unknown !== undefined) throw new RangeError(`${unknown} is none of ${dimensions.join(', ')}`);
    return this.shapes.numberOf(dimensions.map((d) => amountOf(need, d)));
  }

  /** The largest share of the roomiest host in any dimension. */
  sizeOf(shape: number): number {
    const { needs, shapes } = this;
    const D = shapes.dimensions;
    const from = shape * D;
    let size = 0;
    for (let d = 0; d < D; d++)
      size = Math.max(size, (needs[from + d] as number) / (this.largest[d] as number));
    return size;
  }

  /** The smallest such share, nought where it needs nothing of something. */
  leastShareOf(shape: number): number {
    const D = this.shapes.dimensions;
    let least = 1;
    for (let d = 0; d < D; d++)
      least = Math.min(least, (this.needs[shape * D + d] as number) / (this.largest[d] as number));
    return least;
  }

  /** @param times how often it takes the shape out of what is left: less than nought gives it back */
  use(shape: number, host: number, times: 1 | -1): void {
    const { needs, shapes } = this;
    const D = shapes.dimensions;
    const from = shape * D;
    const at = host * D;
    for (let d = 0; d < D; d++)
      this.free[at + d] = (this.free[at + d] as number) - times * (needs[from + d] as number);
  }

  /** @param times 1 gives a host so much, -1 takes it */
  grant(amount: Capacity, host: number, times: 1 | -1): void {
    for (const [d, dimension] of this.dimensions.entries()) {
      const at = host * this.dimensions.length + d;
      this.free[at] = (this.free[at] as number) + times * amountOf(amount, dimension);
    }
  }

  fits(shape: number, host: number): boolean {
    const { needs, shapes } = this;
    const D = shapes.dimensions;
    const from = shape * D;
    const at = host * D;
    for (let d = 0; d < D; d++) if ((needs[from + d] as number) > (this.free[at + d] as number)) return false;
    return true;
  }

  /** Is there room for all of them? */
  fitTogether(shapes: readonly number[], host: number): boolean {
    const D = this.shapes.dimensions;
    for (let d = 0; d < D; d++) {
      let left = this.free[host * D + d] as number;
      for (const shape of shapes) left -= this.needs[shape * D + d] as number;
      if (left < 0) return false;
    }
    return true;
  }

  /** How full a host is in the dimension that runs out first. */
  loadOf(host: number): number {
    const D = this.shapes.dimensions;
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
    const { needs, shapes } = this;
    const D = shapes.dimensions;
    const from = shape * D;
    const at = host * D;
    let load = 0;
    for (let d = 0; d < D; d++) {
      const left = (this.free[at + d] as number) - (needs[from + d] as number);
      const used = 1 - left * (this.perCapacity[at + d] as number);
      if (used > load) load = used;
    }
    return load;
  }
}
