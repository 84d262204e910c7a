import { changesOfPlaces, type HostChange } from '../cost/hosting-change';
import { groupBy } from '../group-by';
import type { HostId } from '../ids';
import { add, type Capacity, dominantShare, subtract, sum, ZERO } from '../units';
import type { Assignment, PlacementRequest, Snapshot, SnapshotHost } from './model';

/** How full a host is in the dimension that runs out first, from 0 to 1: as it is, and once a plan is carried out. */
export interface LoadChange {
  readonly hostId: HostId;
  readonly before: number;
  readonly after: number;
}

/** Of the hosts that a plan changes, in the order of the site. */
export function loadChanges(
  { hosts }: Snapshot,
  { vees }: Pick<PlacementRequest, 'vees'>,
  assignments: readonly Pick<Assignment, 'veeId' | 'hostId'>[],
): LoadChange[] {
  const byId = new Map(vees.map((v) => [v.id, v]));
  const places = assignments.flatMap(({ veeId, hostId }) => {
    const vee = byId.get(veeId);
    return vee ? [{ need: vee.need, from: vee.moving?.from, to: hostId }] : [];
  });
  return loadsAfter(hosts, changesOfPlaces(places));
}

/** The same of what comes and goes. */
export function loadsAfter(
  hosts: readonly Pick<SnapshotHost, 'id' | 'capacity' | 'reserved'>[],
  changes: readonly HostChange[],
): LoadChange[] {
  const byHost = groupBy(changes, (c) => c.hostId);
  return hosts.flatMap(({ id, capacity, reserved }) => {
    const here = byHost.get(id);
    if (!here) return [];
    const after = subtract(
      add(reserved, sum(here.map((c) => c.comes ?? ZERO))),
      sum(here.map((c) => c.leaves ?? ZERO)),
    );
    const share = (of: Capacity) => Math.round(dominantShare(of, capacity) * 1e4) / 1e4;
    return [{ hostId: id, before: share(reserved), after: share(after) }];
  });
}
