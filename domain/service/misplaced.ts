import type { HostId, ServiceId, VeeId } from '../ids';
import type { Manifest } from '../manifest/schema';
import {
  bindsFrom,
  bound,
  conflict,
  constraintName,
  constraintsOf,
  describePlace,
  hostRefusal,
  isCounted,
  mostTogether,
  placeFor,
} from '../placement/constraints';
import type { Constraint, SnapshotHost } from '../placement/model';
import type { VeeRecord } from '../vee/vee';
import type { ChangeReason } from './recompose-reasons';

/**
 * Members that can't stay where they are under a manifest's constraints, each with the first reason. Of those that
 * only can't be there *together*, as few as a simple rule finds are named: what is bound gathers where most of it
 * is, and of two that must be apart the one that comes later in the list goes.
 */
export function misplaced(
  serviceId: ServiceId,
  manifest: Manifest,
  members: readonly VeeRecord[],
  hosts: readonly SnapshotHost[],
): Map<VeeId, ChangeReason> {
  const constraints = constraintsOf(manifest, serviceId);
  const hostById = new Map<HostId, SnapshotHost>(hosts.map((h) => [h.id, h]));
  const found = new Map<VeeId, ChangeReason>();
  const blame = (c: Constraint, { id }: VeeRecord, because: string) => {
    if (!found.has(id)) found.set(id, { reason: 'constraint', constraint: constraintName(c), because });
  };
  const staying = () => members.filter((v) => !found.has(v.id));
  const placeOf = (c: Constraint, { hostId }: VeeRecord) =>
    placeFor(c, hostById.get(hostId) ?? { id: hostId, zone: hostId });

  for (const vee of staying()) {
    const host = hostById.get(vee.hostId);
    for (const c of host ? constraints : []) {
      const refusal = host && hostRefusal(c, vee, host);
      if (refusal?.reason === 'constraint') blame(c, vee, `${vee.hostId}: ${refusal.because}`);
    }
  }
  for (const c of constraints) {
    // What is on a lost host is for its recovery to bring to the others.
    const tied = staying().filter((v) => bound(c, v, v) && bindsFrom(c, hostById.get(v.hostId)));
    const anchor = mostFrequent(tied.map((v) => placeOf(c, v)));
    for (const vee of tied)
      if (anchor !== undefined && placeOf(c, vee) !== anchor)
        blame(c, vee, `the others are on ${describePlace(c, anchor)}`);
  }
  const settled: VeeRecord[] = [];
  for (const vee of staying()) {
    const breaks = (other: VeeRecord) =>
      constraints.find((c) => conflict(c, vee, other) && placeOf(c, vee) === placeOf(c, other));
    const clash = settled.find(breaks);
    const broken = clash && breaks(clash);
    const crowd = constraints.find((c) => {
      const there = settled.filter((v) => isCounted(c, v) && placeOf(c, v) === placeOf(c, vee));
      return isCounted(c, vee) && there.length >= (mostTogether(c) ?? 1);
    });
    if (clash && broken) {
      const place = describePlace(broken, placeOf(broken, vee));
      blame(broken, vee, `${clash.component}/${clash.index} is on ${place} too`);
    } else if (crowd) {
      const place = describePlace(crowd, placeOf(crowd, vee));
      blame(crowd, vee, `${mostTogether(crowd)} others are on ${place}`);
    } else settled.push(vee);
  }
  return found;
}

function mostFrequent(places: readonly string[]): string | undefined {
  const count = new Map<string, number>();
  for (const p of places) count.set(p, (count.get(p) ?? 0) + 1);
  return [...count].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0];
}
