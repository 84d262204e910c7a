import type { HostId } from '../ids';
import type { HostVerdict, Refusal, Unmet } from './model';

export interface Judged {
  readonly component: string;
  readonly verdicts: readonly HostVerdict[];
}

/** A verdict whose host and refusals are places in the tables beside it. */
interface CompactVerdict {
  readonly h: number;
  readonly r?: number;
  readonly s?: number;
  readonly u?: number;
  readonly k?: number;
}

interface CompactList {
  readonly component: string;
  /** Where the list begins anew; otherwise it has what differs from the one before it of the same component. */
  readonly whole?: true;
  readonly changed: readonly CompactVerdict[];
}

export interface CompactVerdicts {
  readonly hosts: readonly HostId[];
  readonly refusals: readonly (readonly Refusal[])[];
  /** Absent in what earlier releases have stored. */
  readonly unmet?: readonly (readonly Unmet[])[];
  readonly lists: readonly CompactList[];
}

/**
 * Every host's verdict on every VEE is what makes a plan explicable, and is a hundred thousand verdicts for a
 * thousand VEEs on a hundred hosts: more than a document may hold. But from one VEE of a component to the next
 * only the host that took the first has changed, and hosts refuse for few different reasons. Nothing is lost.
 */
export function compactVerdicts(judged: readonly Judged[]): CompactVerdicts {
  const hosts = new Table<HostId>((id) => id);
  const refusals = new Table<readonly Refusal[]>((r) => JSON.stringify(r));
  const unmet = new Table<readonly Unmet[]>((u) => JSON.stringify(u));
  const before = new Map<string, readonly HostVerdict[]>();
  const compact = ({ hostId, refusals: why, score, rank, unmet: lacks }: HostVerdict): CompactVerdict => ({
    h: hosts.place(hostId),
    ...(why.length > 0 ? { r: refusals.place(why) } : {}),
    ...(score === undefined ? {} : { s: score }),
    ...(rank === undefined ? {} : { k: rank }),
    ...(lacks ? { u: unmet.place(lacks) } : {}),
  });
  const lists = judged.map(({ component, verdicts }): CompactList => {
    const last = before.get(component);
    before.set(component, verdicts);
    if (!last || !sameHosts(last, verdicts))
      return { component, whole: true, changed: verdicts.map(compact) };
    return { component, changed: verdicts.filter((v, i) => !same(v, last[i])).map(compact) };
  });
  return { hosts: hosts.entries, refusals: refusals.entries, unmet: unmet.entries, lists };
}

export function expandVerdicts({ hosts, refusals, unmet = [], lists }: CompactVerdicts): HostVerdict[][] {
  const before = new Map<string, HostVerdict[]>();
  const expand = ({ h, r, s, u, k }: CompactVerdict): HostVerdict => ({
    hostId: entry(hosts, h),
    refusals: r === undefined ? [] : entry(refusals, r),
    ...(s === undefined ? {} : { score: s }),
    ...(k === undefined ? {} : { rank: k }),
    ...(u === undefined ? {} : { unmet: entry(unmet, u) }),
  });
  return lists.map(({ component, whole, changed }) => {
    const told = changed.map(expand);
    const byHost = new Map(told.map((v) => [v.hostId, v]));
    const last = before.get(component) ?? [];
    const verdicts = whole ? told : last.map((v) => byHost.get(v.hostId) ?? v);
    before.set(component, verdicts);
    return verdicts;
  });
}

/** Values in order of first use, each once. */
class Table<T> {
  readonly entries: T[] = [];
  private readonly places = new Map<string, number>();
  private readonly keyOf: (value: T) => string;

  constructor(keyOf: (value: T) => string) {
    this.keyOf = keyOf;
  }

  place(value: T): number {
    const key = this.keyOf(value);
    const known = this.places.get(key);
    if (known !== undefined) return known;
    this.places.set(key, this.entries.length);
    return this.entries.push(value) - 1;
  }
}

function entry<T>(table: readonly T[], place: number): T {
  const value = table[place];
  if (value === undefined) throw new RangeError(`the table has no entry ${place}`);
  return value;
}

const sameHosts = (a: readonly HostVerdict[], b: readonly HostVerdict[]) =>
  a === b || (a.length === b.length && a.every((v, i) => v.hostId === b[i]?.hostId));

function same(a: HostVerdict, b: HostVerdict | undefined): boolean {
  if (a === b) return true;
  if (!b || a.score !== b.score || a.rank !== b.rank || a.refusals.length !== b.refusals.length) return false;
  if (a.unmet !== b.unmet && JSON.stringify(a.unmet) !== JSON.stringify(b.unmet)) return false;
  return a.refusals.length === 0 || JSON.stringify(a.refusals) === JSON.stringify(b.refusals);
}
