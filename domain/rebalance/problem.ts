import { concerns, hostRefusal, isOfHost } from '../placement/constraints';
import type { Constraint, SnapshotHost } from '../placement/model';
import { Draft } from '../placement/optimize/draft';
import type { Problem } from '../placement/optimize/problem';
import { rulesOf } from '../placement/optimize/rules';
import { amountOf } from '../units';
import type { Layout } from './layout';
import { type BalancedVee, type BalanceQuestion, HOST_WORTH } from './model';
import { costOfMoving } from './step';
import type { BalanceUnit } from './unit';

export interface InNumbers {
  readonly problem: Problem;
  /** The items of the problem, and its hosts, in its order. */
  readonly units: readonly BalanceUnit[];
  readonly hosts: readonly SnapshotHost[];
}

/**
 * Fewest hosts in use, by moves that are worth it, in numbers. What may not move is no item: it takes room, keeps its host in
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
    for (const [d, name] of layout.dimensions.entries())
      free[h * dimensions + d] = amountOf(host.capacity, name) - (staying[h]?.[d] ?? 0);
  return {
    units,
    hosts,
    problem: {
      items: units.length,
      hosts: hosts.length,
      dimensions,
      need,
      free,
      start: Int32Array.from(units, (u) => indexOf.get(layout.hostOf(u)) ?? -1),
      moves: Int32Array.from(units, (u) => u.vees.length),
      moveCost: Float64Array.from(units, (u) =>
        costOfMoving(u, hosts[indexOf.get(layout.hostOf(u)) ?? -1]?.capabilities.migration, question),
      ),
      openCost: Float64Array.from(staying, (used) => (used.every((n) => n <= 0) ? HOST_WORTH : 0)),
      allowed: allowedOf(units, hosts, layout),
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
        unit.vees.some((v) => !host.images.includes(v.image)) ||
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
