import { SluiceError } from '../domain/errors';
import { lastEndIn } from '../domain/leases/model';
import type { OperationRecord } from '../domain/operation/operation';
import type { ServiceRecord } from '../domain/service/service';
import { utcText } from '../domain/utc';
import { endOnHosts } from '../store/ends';
import type { ApiDeps } from './deps';
import { invalid } from './invalid';
import type { Context } from './route';
import { requireTimeToGo } from './term';

/**
 * Gives a service another end, or none. Its places are kept for longer only where nothing is promised that this leaves no
 * room for: each host decides in one write. A later end is on all hosts before it is in the record, an earlier one after
 * that: whatever stops half-way, hosts keep places for no less than the record says, and the site's next look sets them right.
 * An end that the site has asked for already, and that waits, is withdrawn.
 * @throws SluiceError `operation-in-progress`, `transition-illegal`, `placement-infeasible`, `conflict`
 */
export async function changeEnd(
  { store, operations }: Pick<ApiDeps, 'store'> & Partial<Pick<ApiDeps, 'operations'>>,
  { identity, operationId }: Pick<Context, 'identity' | 'operationId'>,
  service: ServiceRecord,
  until: number | undefined,
): Promise<ServiceRecord> {
  const now = Date.now();
  requireThere();
  if (until !== undefined && until <= now)
    throw invalid('/until', `${utcText(until)} is over`, 'Give a time to come, or null for no end.');
  await requireWithinLease();
  if (until !== undefined) requireTimeToGo(await store.services.manifest(service.manifestDigest), '/until');
  const waiting = await requireOpen();
  const later = (until ?? Infinity) > (service.until ?? Infinity);
  const { until: _, ...rest } = service;
  const changed = { ...rest, ...(until === undefined ? {} : { until }), generation: service.generation + 1 };
  try {
    if (later) await requireRoom();
    // Only now: who is refused would else have put off an end all the same, into what is promised to others.
    if (waiting && operations) await operations.cancel(waiting);
    if (!(await store.services.setUntil(service, until, now)))
      throw new SluiceError('conflict', `${service.name} was changed meanwhile.`);
    await requireKept();
  } catch (error) {
    // As the record says now, which somebody else may have changed.
    await endOnHosts(store, (await store.services.get(service.id)) ?? service, Date.now());
    throw error;
  }
  await store.events.append({
    id: `${operationId}/end`,
    at: now,
    kind: 'service.end-set',
    message: `${identity.name}: ${service.name} ${until === undefined ? 'has no end any more' : `ends at ${utcText(until)}`}`,
    ...{ tenantId: service.tenantId, serviceId: service.id, subject: service.id },
  });
  return (await store.services.get(service.id)) ?? changed;

  function requireThere(): void {
    if (service.phase === 'decommissioning' || service.phase === 'decommissioned')
      throw new SluiceError('transition-illegal', `${service.name} is ${service.phase}.`);
  }

  /** @returns the end that the site has asked for and that waits: what is at work on the service is no obstacle then */
  async function requireOpen(withdrawn = false): Promise<OperationRecord | undefined> {
    const holders = (await store.operations.underWay()).filter((o) => o.serviceId === service.id);
    // What should be gone counts as if it stayed: whatever is at work on it, a later end takes nothing from anybody.
    const ending = operations && holders.find(isWaitingEnd);
    const [holder] = holders;
    if (holder && !ending && !withdrawn)
      throw new SluiceError(
        'operation-in-progress',
        `${holder.kind} ${holder.id} is at work on ${service.name}.`,
      );
    return ending;
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

  async function requireRoom(): Promise<void> {
    const refused = await endOnHosts(store, changed, Date.now());
    if (refused === undefined) return;
    throw new SluiceError(
      'placement-infeasible',
      identity.role === 'operator'
        ? `${refused} has promised to others what ${service.name} would go on to hold: sluice reservation list.`
        : `There is no room for ${service.name} for so long.`,
    );
  }

  /** Once it is in the record: the site may have begun to end it, or a look have set its hosts back, in between. */
  async function requireKept(): Promise<void> {
    try {
      if (later) await requireRoom();
      else await endOnHosts(store, changed, Date.now());
      const again = await requireOpen(waiting !== undefined);
      if (again && operations) await operations.cancel(again);
    } catch (error) {
      await store.services.setUntil(changed, service.until, Date.now());
      throw error;
    }
  }
}

/** The site has asked for it as its time has come, and it waits for what is at work on the service. */
const isWaitingEnd = ({ state, kind, requestedBy, requestId }: OperationRecord): boolean =>
  state === 'queued' &&
  kind === 'service.decommission' &&
  requestedBy === 'site' &&
  requestId.startsWith('until-');
