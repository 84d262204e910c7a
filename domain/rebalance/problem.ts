import { economyOf } from '../cost/host-economy';
import { groupBy } from '../group-by';
import { hostRuns } from '../images/reference';
import { goalOf } from '../placement/built-in-policies';
import { concerns, hostRefusal, isOfHost } from '../placement/constraints';
import type { Constraint, SnapshotHost } from '../placement/model';
import { Draft } from '../placement/optimize/draft';
import type { PlaceCost, Problem } from '../placement/optimize/problem';
import { rulesOf } from '../placement/optimize/rules';
import { amountOf, sum } from '../units';
import { distanceOf } from './distance';
import type { Layout } from './layout';
import type { BalancedVee, BalanceQuestion } from './model';
import type { BalanceUnit } from './unit';
import { movesFor, type Scale, scaleOf } from './worth';

export interface InNumbers {
  readonly problem: Problem;
  /** The items of the problem, and its hosts, in its order. */
  readonly units: readonly BalanceUnit[];
  readonly hosts: readonly SnapshotHost[];
  /** What one in the problem is worth by the scale of the goal: hosts in use, watts, or money an hour. */
  readonly worth: number;
}

/**
 * Hosts that cost the least, by what the goal counts, and moves that are worth it, in numbers: in moves of one VEE. What may not move is no item: it takes room, keeps its host in
 * use, and counts for rules.
 * @param left units that stay where they are although they might move
 */
export function inNumbers(
  layout: Layout,
  question: BalanceQuestion,
  left: ReadonlySet<BalanceUnit>,
): InNumbers {
  const { hosts } = layout;
  const indexOf = new Map(hosts.map((h, i) => [h.id, i]));
  const units = layout.units.filter((u) => !u.fixed && !left.has(u) && indexOf.has(layout.hostOf(u)));
  const moving = new Set(units.flatMap((u) => u.vees.map((v) => v.id)));
  const scale = scaleOf(goalOf(question.policy), question.policy.parameters);
  const worth = worthOfMove(layout, question, scale);
  const dimensions = layout.dimensions.length;
  const need = new Float64Array(units.length * dimensions);
  const free = new Float64Array(hosts.length * dimensions);
  const staying = hosts.map((h) => [...layout.usedOf(h.id)]);
  for (const [i, unit] of units.entries())
    for (const [d, n] of unit.needs.entries()) {
      need[i * dimensions + d] = n;
      const used = staying[indexOf.get(layout.hostOf(unit)) ?? -1];
      if (used) used[d] = (used[d] ?? 0) - n;
    }
  for (const [h, host] of hosts.entries())
    for (let d = 0; d < dimensions; d++)
      free[h * dimensions + d] = roomOf(host, d, layout, scale) - (staying[h]?.[d] ?? 0);
  const allowed = allowedOf(units, hosts, layout);
  return {
    ...{ units, hosts, worth },
    problem: {
      items: units.length,
      hosts: hosts.length,
      dimensions,
      need,
      free,
      start: Int32Array.from(units, (u) => indexOf.get(layout.hostOf(u)) ?? -1),
      moves: Int32Array.from(units, (u) => u.vees.length),
      moveCost: Float64Array.from(units, (u) =>
        movesFor(hosts[indexOf.get(layout.hostOf(u)) ?? -1], u.vees, question, worth),
      ),
      openCost: Float64Array.from(hosts, (host, h) =>
        staying[h]?.every((n) => n <= 0) ? scale.own(host) / worth : 0,
      ),
      ...placeCosts(units, hosts, allowed, scale, worth),
      allowed,
      rules: rulesOf({
        // What is tied to a zone stays in it, see below.
        constraints: question.constraints.filter((c) => c.kind !== 'together'),
        items: units.map((u) => u.vees),
        staying: question.vees.filter((v) => !moving.has(v.id)),
        hosts,
        allHosts: question.hosts,
      }),
      mostMoves: question.mostMoves,
    },
  };
}

/**
 * What a move of one VEE is worth by the scale of the goal: a part of what a host in use is on average. Of a layout on which
 * nothing was moved yet. Anything above nothing where nothing costs anything.
 */
export function worthOfMove(
  layout: Layout,
  { policy }: Pick<BalanceQuestion, 'policy'>,
  { movesAHost }: Scale = scaleOf(goalOf(policy), policy.parameters),
): number {
  const inUse = layout.hosts.filter((h) => !layout.isEmpty(h.id)).length;
  const all = distanceOf(layout, goalOf(policy), policy.parameters);
  return all > 0 ? all / inUse / movesAHost : 1;
}

/** A host that is fuller than it is to be may stay so, and gets no fuller. */
function roomOf(host: SnapshotHost, d: number, layout: Layout, { keepFree }: Scale): number {
  const all = amountOf(host.capacity, layout.dimensions[d] ?? 'cpuMillis');
  const limit = layout.limitOf(host.id)[d] ?? all;
  if (keepFree === 0) return limit;
  return Math.min(limit, Math.max(all * (1 - keepFree), layout.usedOf(host.id)[d] ?? 0));
}

/** What an item costs on a host beyond what it costs on the cheapest; nothing where hosts are alike in that. */
function placeCosts(
  units: readonly BalanceUnit[],
  hosts: readonly SnapshotHost[],
  allowed: Uint8Array,
  { share }: Scale,
  worth: number,
): { readonly placeCost?: PlaceCost } {
  const alike = groupBy(hosts, (h) => JSON.stringify([economyOf(h), h.capacity.cpuMillis]));
  const kinds = [...alike.values()].flatMap(([first]) => (first ? [first] : []));
  if (!share || kinds.length < 2) return {};
  const numberOf = new Map([...alike.values()].flatMap((of, kind) => of.map((h) => [h.id, kind] as const)));
  const kindOf = Int32Array.from(hosts, (h) => numberOf.get(h.id) ?? 0);
  const of = new Float64Array(units.length * kinds.length);
  for (const [i, { vees }] of units.entries()) {
    const need = sum(vees.map((v) => v.need));
    const row = of.subarray(i * kinds.length, (i + 1) * kinds.length);
    for (const [kind, host] of kinds.entries()) row[kind] = share(host, need, vees) / worth;
    let least = Infinity;
    for (let h = 0; h < hosts.length; h++)
      if (allowed[i * hosts.length + h] === 1) least = Math.min(least, row[kindOf[h] ?? 0] as number);
    for (const [kind, cost] of row.entries()) row[kind] = Math.max(0, cost - least);
  }
  return { placeCost: { kinds: kinds.length, kindOf, of } };
}

function allowedOf(
  units: readonly BalanceUnit[],
  hosts: readonly SnapshotHost[],
  layout: Layout,
): Uint8Array {
  const allowed = new Uint8Array(units.length * hosts.length);
  const byId = new Map(hosts.map((h) => [h.id, h]));
  for (const [i, unit] of units.entries()) {
    const at = layout.hostOf(unit);
    const here = byId.get(at);
    const tied = unit.vees.some((v) => isTiedToZone(v, layout.constraintsOf(v.serviceId)));
    const assigned = unit.vees.flatMap((vee) =>
      layout.constraintsOf(vee.serviceId).flatMap((c) => (isOfHost(c) ? [{ vee, c }] : [])),
    );
    for (const [h, host] of hosts.entries()) {
      const refused =
        host.driver !== here?.driver ||
        (tied && host.zone !== here.zone) ||
        host.site !== here?.site ||
        unit.vees.some((v) => !hostRuns(host.images, v.image)) ||
        assigned.some(({ vee, c }) => hostRefusal(c, vee, host) !== undefined);
      // Where it is it may stay, whatever has been decided since.
      if (!refused || host.id === at) allowed[i * hosts.length + h] = 1;
    }
  }
  return allowed;
}

/** Moves are made one by one, so what is to be together in a zone never leaves it; nor does what is spread over zones. */
const isTiedToZone = ({ component }: BalancedVee, constraints: readonly Constraint[]): boolean =>
  constraints.some(
    (c) => (c.kind === 'spread' || (c.kind === 'together' && c.level === 'zone')) && concerns(c, component),
  );

/** Items that are where they may not be, or have no room there: rules that were broken while hosts were lost, say. */
export function misplacedIn(problem: Problem): number[] {
  const draft = new Draft(problem);
  return [...problem.start.entries()].flatMap(([item, host]) => {
    draft.take(item);
    const fine = draft.isAllowed(item, host) && draft.hasRoom(item, host);
    draft.put(item, host);
    return fine ? [] : [item];
  });
}
