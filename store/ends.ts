import { groupBy } from '../domain/group-by';
import type { HostId } from '../domain/ids';
import { type ServiceRecord, stayOfService } from '../domain/service/service';
import type { Store } from './store';

/**
 * Tells each host when a service gives back what it holds there, as its record says.
 * @returns the first host that has promised to others what it would go on to hold; the others know of it nevertheless
 */
export async function endOnHosts(
  store: Pick<Store, 'vees' | 'hosts'>,
  service: Pick<ServiceRecord, 'id' | 'until' | 'leaseId'>,
  now: number,
): Promise<HostId | undefined> {
  const freeAt = stayOfService(service)?.freeAt;
  const vees = await store.vees.find({ serviceId: service.id, living: true });
  let refused: HostId | undefined;
  for (const [hostId, there] of groupBy(vees, (v) => v.hostId)) {
    const ids = there.map((v) => v.id);
    if (!(await store.hosts.setFreeAt(hostId, ids, freeAt, now))) refused ??= hostId;
  }
  return refused;
}
