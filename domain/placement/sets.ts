import type { VeeId } from '../ids';
import { type Capacity, dominantShare, sum } from '../units';
import type { Blueprint, Infeasible, PlacementRequest, RequestedVee, SetRule, Snapshot } from './model';

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

/** Plans are asked so often at most, and in a large site less often, as each judges each VEE on each host. */
const MOST_PLANS = 120;
const FEWEST_PLANS = 12;
const MOST_JUDGEMENTS = 2_000_000;
/** A plan that looks for room in vain takes some hundredths of a second: of these so many. */
const MOST_SEARCHES = 6;

/** @param hurried without a search where the greedy way finds no room, unless it is small */
export type Place = (vees: readonly RequestedVee[], hurried: boolean) => Blueprint | Infeasible;

/**
 * Places as many sets as it can, each wholly or not at all. As many of the smaller ones as have places come first, and of the others
 * what has one beside them; then it is looked for one set more, in all combinations of so many where there are few.
 * @param place a plan for some of them
 */
export function placeSets(
  snapshot: Snapshot,
  request: PlacementRequest,
  sets: readonly PlacementSet[],
  place: Place,
): SetsPlan {
  const whole = place(request.vees, false);
  if (whole.kind === 'blueprint') return { blueprint: whole, left: [], most: true };
  return new Choice(snapshot, request, sets, place).made();
}

class Choice {
  private readonly order: ReadonlyMap<VeeId, number>;
  private readonly sets: readonly PlacementSet[];
  private readonly place: Place;
  private plans: number;
  private searches = MOST_SEARCHES;
  private best: { readonly sets: readonly PlacementSet[]; readonly blueprint?: Blueprint } = { sets: [] };

  constructor({ hosts }: Snapshot, request: PlacementRequest, sets: readonly PlacementSet[], place: Place) {
    this.place = place;
    this.order = new Map(request.vees.map((v, i) => [v.id, i]));
    this.sets = ascending(hosts, sets);
    const affordable = Math.floor(MOST_JUDGEMENTS / Math.max(1, request.vees.length * hosts.length));
    this.plans = Math.min(MOST_PLANS, Math.max(FEWEST_PLANS, affordable));
  }

  made(): SetsPlan {
    // Together these are as much as one plan for all.
    const hopeful = this.sets.filter(({ vees }) => this.place(vees, true).kind === 'blueprint');
    this.takeSmallest(hopeful);
    for (const set of hopeful)
      if (this.plans > 0 && !this.best.sets.includes(set)) this.tryAll([...this.best.sets, set], true);
    let most = this.best.sets.length === hopeful.length;
    let goOn = !most;
    while (goOn) {
      const more = this.oneMore(hopeful);
      most = more === 'none' || this.best.sets.length === hopeful.length;
      goOn = more === 'found' && !most;
    }
    const { sets, blueprint } = this.best;
    const left = this.sets.filter((s) => !sets.includes(s)).flatMap((set) => this.reasonsFor(set));
    const orderOf = ({ veeId }: LeftOut) => this.order.get(veeId) ?? 0;
    left.sort((a, b) => orderOf(a) - orderOf(b));
    return { ...(blueprint ? { blueprint } : {}), left, most };
  }

  /** As many of the first ones as have places: by halves, as what has places has them also without the last of it. */
  private takeSmallest(sets: readonly PlacementSet[]): void {
    let [least, most] = [0, sets.length];
    while (least < most) {
      const count = Math.ceil((least + most) / 2);
      if (this.tryAll(sets.slice(0, count), true)) least = count;
      else most = count - 1;
    }
  }

  private tryAll(sets: readonly PlacementSet[], hurried: boolean): boolean {
    this.plans--;
    const blueprint = this.placed(sets, hurried);
    if (blueprint.kind === 'infeasible') return false;
    if (sets.length > this.best.sets.length) this.best = { sets, blueprint };
    return true;
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
  private oneMore(sets: readonly PlacementSet[]): 'found' | 'none' | 'given-up' {
    for (const chosen of combinations(sets, this.best.sets.length + 1)) {
      if (this.plans <= 0) return 'given-up';
      if (this.tryAll(chosen, this.searches-- <= 0)) return 'found';
    }
    return 'none';
  }

  /** Why a set has no place beside those that have. */
  private reasonsFor({ name, vees }: PlacementSet): LeftOut[] {
    const answer = this.placed([...this.best.sets, { vees }], true);
    const unplaced = answer.kind === 'infeasible' ? answer.unplaced : [];
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
