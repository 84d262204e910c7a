import { SluiceError } from '../domain/errors';
import { groupBy } from '../domain/group-by';
import type { HostId } from '../domain/ids';
import { lastEndIn } from '../domain/leases/model';
import { type ServiceRecord, stayOfService } from '../domain/service/service';
import { utcText } from '../domain/utc';
import type { ApiDeps } from './deps';
import { invalid } from './invalid';
import type { Context } from './route';

/**
 * Gives a service another end, or none. Its places are kept for longer only where nothing is promised that this leaves no
 * room for: each host decides in one write, and all go back to what they had when one refuses.
 * @throws SluiceError `operation-in-progress`, `transition-illegal`, `placement-infeasible`
 */
export async function changeEnd(
  { store }: Pick<ApiDeps, 'store'>,
  { identity, operationId }: Pick<Context, 'identity' | 'operationId'>,
  service: ServiceRecord,
  until: number | undefined,
): Promise<ServiceRecord> {
  const now = Date.now();
  await requireOpen();
  if (until !== undefined && until <= now)
    throw invalid('/until', `${utcText(until)} is over`, 'Give a time to come, or null for no end.');
  await requireWithinLease();
  // The record first: what is placed from now on is placed for as long, whatever hosts say of what is there.
  await store.services.setUntil(service.id, until, now);
  const changed = { ...service };
  const refused = await setOnHosts(until);
  if (refused !== undefined) {
    await store.services.setUntil(service.id, service.until, Date.now());
    await setOnHosts(service.until);
    const where = identity.role === 'operator' ? refused : 'A host of it';
    throw new SluiceError(
      'placement-infeasible',
      `${where} has promised to others what ${service.name} would go on to hold: sluice reservation list.`,
    );
  }
  await store.events.append({
    id: `${operationId}/end`,
    at: now,
    kind: 'service.end-set',
    message: `${identity.name}: ${service.name} ${until === undefined ? 'has no end any more' : `ends at ${utcText(until)}`}`,
    ...{ tenantId: service.tenantId, serviceId: service.id, subject: service.id },
  });
  return (await store.services.get(service.id)) ?? changed;

  async function requireOpen(): Promise<void> {
    if (service.phase === 'decommissioning' || service.phase === 'decommissioned')
      throw new SluiceError('transition-illegal', `${service.name} is ${service.phase}.`);
    const holder = (await store.operations.underWay()).find((o) => o.serviceId === service.id);
    if (holder)
      throw new SluiceError(
        'operation-in-progress',
        `${holder.kind} ${holder.id} is at work on ${service.name}.`,
      );
  }

  async function requireWithinLease(): Promise<void> {
    const lease = service.leaseId && (await store.leases.get(service.leaseId));
    if (!lease?.live || now >= lease.until) return;
    const last = lastEndIn(lease);
    if (until === undefined || until > last)
      throw new SluiceError(
        'request-invalid',
        `${service.name} uses reservation ${lease.name}, and so ends by ${utcText(last)}.`,
        { pointer: '/until' },
      );
  }

  /** @returns the first host that refuses */
  async function setOnHosts(end: number | undefined): Promise<HostId | undefined> {
    const { until: _, ...rest } = service;
    const freeAt = stayOfService({ ...rest, ...(end === undefined ? {} : { until: end }) })?.freeAt;
    const vees = await store.vees.find({ serviceId: service.id, living: true });
    for (const [hostId, there] of groupBy(vees, (v) => v.hostId)) {
      const ids = there.map((v) => v.id);
      if (!(await store.hosts.setFreeAt(hostId, ids, freeAt, Date.now()))) return hostId;
    }
    return undefined;
  }
}
