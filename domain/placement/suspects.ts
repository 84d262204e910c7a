import type { HostId } from '../ids';
import type { Snapshot } from './model';

/**
 * For a question that found no room: the hosts that are only suspect and on which it depends. There may be room on them if
 * they are up, or elsewhere if they are lost, since what is lost binds nothing to its zone. None when either changes
 * nothing. What depends on them is not to be refused yet: each of them is soon either up again or lost.
 * @param targets the hosts that an answer to the same question takes; none when it finds no room either
 */
export function suspectsAwaited(
  snapshot: Snapshot,
  targets: (otherwise: Snapshot) => readonly HostId[],
): HostId[] {
  const suspects = snapshot.hosts.filter((h) => h.liveness === 'suspect').map((h) => h.id);
  if (suspects.length === 0) return [];
  const taken = new Set(targets(withSuspects(snapshot, 'up')));
  const wouldTake = suspects.filter((id) => taken.has(id));
  if (wouldTake.length > 0) return wouldTake;
  return targets(withSuspects(snapshot, 'lost')).length > 0 ? suspects : [];
}

export const describeSuspects = (hosts: readonly HostId[]): string =>
  `It depends on ${hosts.join(', ')}, from where nothing was heard for a while: it waits until that is up or lost.`;

function withSuspects(snapshot: Snapshot, liveness: 'up' | 'lost'): Snapshot {
  const hosts = snapshot.hosts.map((h) => (h.liveness === 'suspect' ? { ...h, liveness } : h));
  return { ...snapshot, hosts };
}
