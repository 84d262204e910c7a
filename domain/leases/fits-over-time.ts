import type { LeaseId } from '../ids';
import type { SnapshotHost } from '../placement/model';
import { endOf, type HostPromises } from '../placement/promised';
import { amountOf, type Capacity, type Dimension, dimensionsOf } from '../units';

/** From `at` on so many fit, until the next step. */
interface Step {
  readonly at: number;
  readonly fits: number;
}

/**
 * How many of a size a host has room for beside all else, at every time from `now` on, counted in one walk through what ends
 * and begins there. The least within a time is what `freeThroughout` has room for: a promise's own VEEs are within it, what
 * should be gone already stays.
 */
export class FitsOverTime {
  private readonly steps: readonly Step[];

  /** @param most it never fits more often than that */
  constructor(host: SnapshotHost, each: Capacity, most: number, now: number) {
    const dimensions = dimensionsOf(each).filter((d) => amountOf(each, d) > 0);
    const needs = dimensions.map((d) => amountOf(each, d));
    const free = dimensions.map((d) => amountOf(host.capacity, d) - amountOf(host.reserved, d));
    const changes = host.promised ? changesOn(host.promised, dimensions, now) : [];
    const fitting = () => needs.reduce((n, need, d) => Math.min(n, Math.floor((free[d] ?? 0) / need)), most);
    const steps: { at: number; fits: number }[] = [];
    let next = 0;
    for (let at = now; ; at = changes[next]?.at ?? now) {
      for (; (changes[next]?.at ?? Number.POSITIVE_INFINITY) <= at; next++)
        for (const [d, by] of (changes[next] as Change).by().entries()) free[d] = (free[d] ?? 0) + by;
      const fits = Math.max(0, fitting());
      if (steps[steps.length - 1]?.fits !== fits) steps.push({ at, fits });
      if (next === changes.length) break;
    }
    this.steps = steps;
  }

  /** The least throughout a time. */
  within(from: number, until: number): number {
    return this.leastFrom([from], until - from)[0] as number;
  }

  /** The least at first, and how that changes for what begins later and lasts as long, in order. */
  from(notBefore: number, millis: number): readonly Step[] {
    const starts = [notBefore, ...this.turningPoints(notBefore, millis)];
    const least = this.leastFrom(starts, millis);
    return starts
      .map((at, n) => ({ at, fits: least[n] as number }))
      .filter(({ fits }, n) => n === 0 || fits !== least[n - 1]);
  }

  /** When another number may fit for so long than a moment before, after the first. */
  private turningPoints(notBefore: number, millis: number): number[] {
    const turns: number[] = [];
    for (const [n, { at, fits }] of this.steps.entries()) {
      const before = this.steps[n - 1]?.fits ?? fits;
      // Fewer count from when they come within reach, more from when they are there.
      const turn = fits < before ? at - millis + 1 : at;
      if (turn > notBefore) turns.push(turn);
    }
    return [...new Set(turns)].sort((a, b) => a - b);
  }

  /** @param starts in order, so that what is looked at only moves on */
  private leastFrom(starts: readonly number[], millis: number): number[] {
    const { steps } = this;
    /** Steps within reach, of which each is the least of those that came before it: the first is the least of all. */
    const reach: number[] = [];
    let next = 0;
    return starts.map((from) => {
      for (; next < steps.length && (next === 0 || (steps[next] as Step).at < from + millis); next++) {
        while (reach.length > 0 && this.fitsIn(reach[reach.length - 1]) >= this.fitsIn(next)) reach.pop();
        reach.push(next);
      }
      const isOver = (n: number) => (steps[n + 1]?.at ?? Number.POSITIVE_INFINITY) <= from;
      while (reach.length > 1 && isOver(reach[0] as number)) reach.shift();
      return this.fitsIn(reach[0]);
    });
  }

  private fitsIn(step: number | undefined): number {
    return this.steps[step ?? 0]?.fits ?? 0;
  }
}

/** What is free in each dimension changes by that, at a time: counted when its turn has come, since it depends on what was before. */
interface Change {
  readonly at: number;
  readonly by: () => readonly number[];
}

function changesOn(
  { promises, stays }: HostPromises,
  dimensions: readonly Dimension[],
  now: number,
): Change[] {
  const amounts = (of: Capacity) => dimensions.map((d) => amountOf(of, d));
  const own = new Map<LeaseId, number[]>();
  for (const { leaseId, amount } of stays) {
    if (leaseId === undefined) continue;
    const before = own.get(leaseId);
    own.set(leaseId, before ? plus(before, amounts(amount)) : amounts(amount));
  }
  const current = new Map<LeaseId, number[]>();
  const unused = (id: LeaseId) => {
    const held = own.get(id);
    return (current.get(id) ?? []).map((many, d) => Math.max(0, many - (held?.[d] ?? 0)));
  };
  const changes: Change[] = [];
  for (const { leaseId, from, until, amount } of promises) {
    if (until <= now || until <= from) continue;
    const begin = () => {
      current.set(leaseId, amounts(amount));
      return unused(leaseId).map((many) => -many);
    };
    const end = () => {
      const given = unused(leaseId);
      current.delete(leaseId);
      return given;
    };
    changes.push({ at: Math.max(from, now), by: begin }, { at: until, by: end });
  }
  for (const { leaseId, freeAt, amount } of stays) {
    const at = endOf(freeAt, now);
    if (at === undefined) continue;
    const gone = amounts(amount);
    if (leaseId === undefined) changes.push({ at, by: () => gone });
    else
      changes.push({
        at,
        by: () => {
          const before = unused(leaseId);
          own.set(
            leaseId,
            (own.get(leaseId) ?? []).map((many, d) => many - (gone[d] ?? 0)),
          );
          const after = unused(leaseId);
          return gone.map((many, d) => many - ((after[d] ?? 0) - (before[d] ?? 0)));
        },
      });
  }
  return changes.sort((a, b) => a.at - b.at);
}

const plus = (a: readonly number[], b: readonly number[]): number[] => a.map((many, d) => many + (b[d] ?? 0));
