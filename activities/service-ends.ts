import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { makeOperationId, type ServiceId, type VeeId } from '../domain/ids';
import { type OperationRecord, pendingOperation } from '../domain/operation/operation';
import { freeAtOf } from '../domain/placement/promised';
import { type ServiceRecord, stayOfService } from '../domain/service/service';
import { utcText } from '../domain/utc';
import { endOnHosts } from '../store/ends';
import type { SiteDeps } from './deps';

/** After an end that failed it is asked for once more: after so long at first, then after twice that, and so on. */
const AGAIN_MILLIS = 60_000;
const MOST_AGAIN_MILLIS = 3_600_000;

/** Sees to it that services end when they are to, and that hosts know when that is. */
export function serviceEnds(deps: SiteDeps) {
  const { store } = deps;

  /** An end that was set while something was being placed: its place has the end of the moment before. */
  async function alignEnds(limited: readonly ServiceRecord[]): Promise<void> {
    const noted = await store.hosts.ends();
    const differing = new Set<ServiceId>();
    const seen = new Set<string>();
    for (const service of limited) {
      const freeAt = stayOfService(service)?.freeAt;
      for (const { id, hostId } of await store.vees.find({ serviceId: service.id, living: true })) {
        seen.add(id);
        if (noted.get(id)?.get(hostId) !== freeAt) differing.add(service.id);
      }
    }
    // Those whose end was taken away again are not among them.
    const others = [...noted.keys()].filter((id) => !seen.has(id)) as VeeId[];
    if (others.length > 0)
      for (const { serviceId } of await store.vees.places(others)) differing.add(serviceId as ServiceId);
    for (const id of differing) {
      // Read anew: what was read before may have another end by now.
      const service = await store.services.get(id);
      if (service) await endOnHosts(store, service, deps.now());
    }
  }

  /** What is to be handed over: an end that was asked for and failed is asked for again, but not at once. */
  async function asked(service: ServiceRecord, now: number): Promise<OperationRecord | undefined> {
    const { id: serviceId, tenantId, until = 0 } = service;
    for (let attempt = 1; ; attempt++) {
      const again = attempt === 1 ? [] : [attempt];
      const id = makeOperationId(derivedEntropy('end', serviceId, until, ...again));
      const before = await store.operations.get(id);
      if (!before)
        return store.operations.create(
          pendingOperation({
            ...{ id, kind: 'service.decommission', siteId: deps.siteId, tenantId, serviceId },
            ...{ params: {}, requestedBy: 'site', requestId: ['until', until, ...again].join('-') },
            createdAt: now,
          }),
        );
      if (before.endedAt === undefined) return before.state === 'pending' ? before : undefined;
      const pause = Math.min(AGAIN_MILLIS * 2 ** (attempt - 1), MOST_AGAIN_MILLIS);
      if (now < before.endedAt + pause) return undefined;
    }
  }

  /** What becomes of it is told like that of any operation. */
  async function endService(service: ServiceRecord, now: number): Promise<boolean> {
    const { id: serviceId, tenantId, until = 0 } = service;
    const operation = await asked(service, now);
    if (!operation) return false;
    // Whoever puts the end off looks for this operation after that: one of the two sees the other.
    if ((await store.services.get(serviceId))?.until !== until) {
      const detail = `${service.name} has another end now.`;
      await store.operations.refuse(operation.id, { code: 'conflict', detail }, deps.now());
      return false;
    }
    await store.events.append({
      id: `${operation.id}/ends`,
      at: deps.now(),
      kind: 'service.ends',
      message: `${service.name} ends, as it was to at ${utcText(until)}`,
      ...{ tenantId, serviceId, subject: serviceId, operationId: operation.id },
    });
    try {
      await deps.submit(operation);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      // What is under way on it comes first: the site's watch hands it over again, until it is taken.
      if (!error.retryable && error.code !== 'operation-in-progress')
        await store.operations.refuse(operation.id, { code: error.code, detail: error.message }, deps.now());
    }
    return true;
  }

  /** Once for each end, however long it goes on: others may count on its place. */
  async function tellOverdue({ id, tenantId, name, until = 0 }: ServiceRecord, now: number): Promise<void> {
    if (now < freeAtOf(until)) return;
    await store.events.append({
      ...{ id: `${id}/overdue/${until}`, at: now, kind: 'service.overdue', alert: true as const },
      message: `${name} was to be gone by ${utcText(freeAtOf(until))}, and is still there`,
      ...{ tenantId, serviceId: id, subject: id },
    });
  }

  return {
    /** @returns how many ends were asked for */
    async endDue(): Promise<number> {
      const limited = await store.services.limited();
      await alignEnds(limited);
      let found = 0;
      for (const { id } of limited.filter((s) => isDue(s, deps.now()))) {
        // Read anew: much may have been done since the list was read, and its end have been put off.
        const service = await store.services.get(id);
        const now = deps.now();
        if (!service || !isDue(service, now)) continue;
        await tellOverdue(service, now);
        if (await endService(service, now)) found++;
      }
      return found;
    },
  };
}

/** One that is on its way out already is left to whoever asked for that. */
const isDue = ({ until, phase }: ServiceRecord, now: number): boolean =>
  until !== undefined && until <= now && phase !== 'decommissioning' && phase !== 'decommissioned';
