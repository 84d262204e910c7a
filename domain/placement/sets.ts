import type { VeeId } from '../ids';
import { type Capacity, dominantShare, sum } from '../units';
import type {
  Blueprint,
  Infeasible,
  Meter,
  PlacementRequest,
  RequestedVee,
  SetRule,
  Snapshot,
} from './model';

/** VEEs that are placed all or not at all; one alone where no rule has it. */
export interface PlacementSet {
  /** As people are told; absent for one alone. */
  readonly name?: string;
  readonly vees: readonly RequestedVee[];
}

/** What is asked for in sets: instance n of each component of a rule are one, and two that share a VEE are one as well. */
export function setsOf(vees: readonly RequestedVee[], rules: readonly SetRule[]): PlacementSet[] {
  let sets: { names: string[]; vees: RequestedVee[] }[] = [];
  for (const vee of vees) {
    const names = rules
      .filter((r) => r.components.includes(vee.component))
      .map((r) => `${r.name}/${vee.index}`);
    const mates = sets.filter((s) => s.names.some((n) => names.includes(n)));
    const merged = {
      names: [...new Set([...mates.flatMap((s) => s.names), ...names])],
      vees: [...mates.flatMap((s) => s.vees), vee],
    };
    sets = [...sets.filter((s) => !mates.includes(s)), merged];
  }
  return sets.map(({ names, vees: of }) => ({
    vees: of,
    ...(of.length > 1 ? { name: names.join(' and ') } : {}),
  }));
}

/** One that has no place, with its reasons by host; `because` where it would have one, but not all of its set. */
export type LeftOut = Infeasible['unplaced'][number] & { readonly because?: string };

export interface SetsPlan {
  /** Absent when no set has places for all of it. */
  readonly blueprint?: Blueprint;
  readonly left: readonly LeftOut[];
  /** Whether it was shown, as far as plans can be believed, that no more sets can be placed. */
  readonly most: boolean;
}

/** Plans are asked so often at most, and end once they have judged so much, so that a site of any size has its answer in seconds. */
const MOST_PLANS = 120;
const MOST_JUDGEMENTS = 600_000;
/** Of that, what may go by on looking at each set alone, and what is left for telling reasons. */
const ALONE = 0.25;
const REASONS = 0.25;
/** A plan that looks for room in vain takes some hundredths of a second: of these so many. */
const MOST_SEARCHES = 6;

/** @param hurried without a search where the greedy way finds no room, unless it is small */
export type Place = (vees: readonly RequestedVee[], hurried: boolean) => Blueprint | Infeasible;

/**
 * Places as many sets as it can, each wholly or not at all, and then, beside those, as many as it can of the VEEs that are in no
 * set. As many of the smaller ones as have places come first, and of the others what has one beside them; then it is looked for
 * one more, in all combinations of so many where there are few.
 * @param place a plan for some of them
 * @param meter counts what plans cost
 */
export function placeSets(
  snapshot: Snapshot,
  request: PlacementRequest,
  sets: readonly PlacementSet[],
  place: Place,
  meter: Meter,
): SetsPlan {
  const whole = place(request.vees, false);
  if (whole.kind === 'blueprint') return { blueprint: whole, left: [], most: true };
  return new Choice(snapshot, request, sets, place, meter).made();
}

class Choice {
  private readonly order: ReadonlyMap<VeeId, number>;
  private readonly sets: readonly PlacementSet[];
  private readonly place: Place;
  private readonly meter: Meter;
  private readonly began: number;
  private plans = MOST_PLANS;
  private searches = MOST_SEARCHES;
  private best: { readonly sets: readonly PlacementSet[]; readonly blueprint?: Blueprint } = { sets: [] };

  constructor(
    { hosts }: Snapshot,
    request: PlacementRequest,
    sets: readonly PlacementSet[],
    place: Place,
    meter: Meter,
  ) {
    this.place = place;
    this.meter = meter;
    this.began = meter.judgements;
    this.order = new Map(request.vees.map((v, i) => [v.id, i]));
    this.sets = ascending(hosts, sets);
  }

  made(): SetsPlan {
    // Together these are as much as one plan for all. What can't be looked at may have a place.
    const hopeful = this.sets.filter(
      ({ vees }) => !this.within(ALONE) || this.place(vees, true).kind === 'blueprint',
    );
    // What lacks its partner is of no use before that has come as well: it takes no room from what is whole.
    const most = this.grow(hopeful.filter((s) => s.name !== undefined));
    this.grow(hopeful.filter((s) => s.name === undefined));
    const { sets, blueprint } = this.best;
    const left = this.sets.filter((s) => !sets.includes(s)).flatMap((set) => this.reasonsFor(set));
    const orderOf = ({ veeId }: LeftOut) => this.order.get(veeId) ?? 0;
    left.sort((a, b) => orderOf(a) - orderOf(b));
    return { ...(blueprint ? { blueprint } : {}), left, most };
  }

  /** Has no more than this share of what may be judged gone by? */
  private within(share: number): boolean {
    return this.meter.judgements - this.began < share * MOST_JUDGEMENTS;
  }

  private get goesOn(): boolean {
    return this.plans > 0 && this.within(1 - REASONS);
  }

  /** As many of these as can be beside those that have places already. @returns whether no more can, as far as plans can be believed */
  private grow(from: readonly PlacementSet[]): boolean {
    const base = this.best.sets;
    const isIn = (set: PlacementSet) => this.best.sets.includes(set);
    const all = base.length + from.length;
    this.takeSmallest(base, from);
    this.shed(from.filter((s) => !isIn(s)));
    for (const set of from) if (this.goesOn && !isIn(set)) this.tryAll([...this.best.sets, set], true);
    while (this.best.sets.length < all) {
      const more = this.oneMore(base, from);
      if (more !== 'found') return more === 'none';
    }
    return true;
  }

  /** As many of the first ones as have places: by halves, as what has places has them also without the last of it. */
  private takeSmallest(base: readonly PlacementSet[], from: readonly PlacementSet[]): void {
    let [least, most] = [0, from.length];
    // Until something is found each try is half of the one before.
    while (least < most && (this.goesOn || least === 0)) {
      const count = Math.ceil((least + most) / 2);
      if (this.tryAll([...base, ...from.slice(0, count)], true) === undefined) least = count;
      else most = count - 1;
    }
  }

  /** Of others all for which a plan finds a place beside these: those for which it finds none are given up until it does. */
  private shed(others: readonly PlacementSet[]): void {
    let wanted = others;
    while (wanted.length > 1 && this.goesOn) {
      const refused = this.tryAll([...this.best.sets, ...wanted], true);
      if (!refused) return;
      const without = new Set(refused.unplaced.map((u) => u.veeId));
      const kept = wanted.filter((s) => !s.vees.some((v) => without.has(v.id)));
      wanted = kept.length < wanted.length ? kept : wanted.slice(0, -1);
    }
  }

  /** @returns what is said where they have no places */
  private tryAll(sets: readonly PlacementSet[], hurried: boolean): Infeasible | undefined {
    this.plans--;
    const answer = this.placed(sets, hurried);
    if (answer.kind === 'infeasible') return answer;
    if (sets.length > this.best.sets.length) this.best = { sets, blueprint: answer };
    return undefined;
  }

  /** In the order of the request, whichever set was chosen first. */
  private placed(sets: readonly PlacementSet[], hurried: boolean): Blueprint | Infeasible {
    const vees = sets.flatMap((s) => s.vees);
    return this.place(
      vees.sort((a, b) => (this.order.get(a.id) ?? 0) - (this.order.get(b.id) ?? 0)),
      hurried,
    );
  }

  /** @returns `none` when no combination of so many has places: none of more has any then */
  private oneMore(
    base: readonly PlacementSet[],
    from: readonly PlacementSet[],
  ): 'found' | 'none' | 'given-up' {
    for (const chosen of combinations(from, this.best.sets.length - base.length + 1)) {
      if (!this.goesOn) return 'given-up';
      if (!this.tryAll([...base, ...chosen], this.searches-- <= 0)) return 'found';
    }
    return 'none';
  }

  /** Why a set has no place beside those that have. */
  private reasonsFor({ name, vees }: PlacementSet): LeftOut[] {
    const answer = this.within(1) ? this.placed([...this.best.sets, { vees }], true) : undefined;
    const unplaced = answer?.kind === 'infeasible' ? answer.unplaced : [];
    const told = new Map(unplaced.map((u) => [u.veeId, u]));
    const missing = vees.filter((v) => told.has(v.id)).map((v) => `${v.component}/${v.index}`);
    const others =
      missing.length > 0
        ? `there is no place for ${missing.join(', ')}`
        : 'there is no place for all of it beside others';
    const because =
      name === undefined
        ? 'Others have places instead of it.'
        : `The set ${name} has a place as a whole or not at all, and ${others}.`;
    return vees.map(
      ({ id: veeId, component, index }): LeftOut =>
        told.get(veeId) ?? { veeId, component, index, hosts: [], because },
    );
  }
}

/** All ways to take so many, those of the first ones first. */
function* combinations<T>(from: readonly T[], count: number): Generator<readonly T[]> {
  if (count > from.length) return;
  const at = Array.from({ length: count }, (_, i) => i);
  for (;;) {
    yield at.flatMap((i) => from[i] ?? []);
    let turn = count - 1;
    while (turn >= 0 && at[turn] === from.length - count + turn) turn--;
    if (turn < 0) return;
    at[turn] = (at[turn] ?? 0) + 1;
    for (let i = turn + 1; i < count; i++) at[i] = (at[i - 1] ?? 0) + 1;
  }
}

/** The smallest first, by what they need of a usual host; of those that are alike in the order of the request. */
function ascending(hosts: Snapshot['hosts'], sets: readonly PlacementSet[]): PlacementSet[] {
  const total: Capacity = sum(hosts.map((h) => h.capacity));
  const size = new Map(sets.map((s) => [s, dominantShare(sum(s.vees.map((v) => v.need)), total)]));
  return [...sets].sort((a, b) => (size.get(a) ?? 0) - (size.get(b) ?? 0));
}
