import type { HostId } from '../ids';
import { add, type Capacity, dominantShare, subtract } from '../units';
import type { Assignment, PlacementRequest, Snapshot } from './model';

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
  const change = new Map<HostId, (reserved: Capacity) => Capacity>();
  const then = (hostId: HostId, by: typeof add, need: Capacity) => {
    const before = change.get(hostId);
    change.set(hostId, (reserved) => by(before ? before(reserved) : reserved, need));
  };
  for (const { veeId, hostId } of assignments) {
    const vee = byId.get(veeId);
    if (!vee || vee.moving?.from === hostId) continue;
    then(hostId, add, vee.need);
    if (vee.moving) then(vee.moving.from, subtract, vee.need);
  }
  return hosts.flatMap(({ id, capacity, reserved }) => {
    const changed = change.get(id);
    if (!changed) return [];
    const share = (of: Capacity) => Math.round(dominantShare(of, capacity) * 1e4) / 1e4;
    return [{ hostId: id, before: share(reserved), after: share(changed(reserved)) }];
  });
}
