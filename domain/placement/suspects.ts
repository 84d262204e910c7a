import type { HostId } from '../ids';
import type { Snapshot } from './model';

/**
 * For a question that found no room: the hosts that it would take if those that are only suspect were up. None when that
 * changes nothing.
 * @param targets the hosts that an answer to the same question takes; none when it finds no room either
 */
export function suspectsWithRoom(
  snapshot: Snapshot,
  targets: (trusting: Snapshot) => readonly HostId[],
): HostId[] {
  const trusting = trustingSuspects(snapshot);
  const suspects = new Set(snapshot.hosts.filter((h) => h.liveness === 'suspect').map((h) => h.id));
  return trusting ? targets(trusting).filter((id) => suspects.has(id)) : [];
}

export const describeSuspects = (hosts: readonly HostId[]): string =>
  `There is room only on ${hosts.join(', ')}, from where nothing was heard for a while: it waits until that is up or lost.`;

/**
 * The same site as if the hosts that are only suspect were up; nothing where there is none. What fits only then is not to
 * be refused yet: each of them is soon either up again or lost.
 */
function trustingSuspects(snapshot: Snapshot): Snapshot | undefined {
  if (!snapshot.hosts.some((h) => h.liveness === 'suspect')) return undefined;
  const hosts = snapshot.hosts.map((h) => (h.liveness === 'suspect' ? { ...h, liveness: 'up' as const } : h));
  return { ...snapshot, hosts };
}
