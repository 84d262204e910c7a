import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { type HostId, makeOperationId } from '../domain/ids';
import { doubtsOf, promisesOf, relocate } from '../domain/leases/keep';
import { type Lease, promiseOn, stateOfLease } from '../domain/leases/model';
import type { LeaseSite } from '../domain/leases/place';
import { pendingOperation } from '../domain/operation/operation';
import { type ServiceRecord, stayOfService } from '../domain/service/service';
import { utcText } from '../domain/utc';
import { readLeaseSite } from '../store/snapshot';
import type { SiteDeps } from './deps';

/** One that was begun so long ago and is not made was left by a process that died. */
const MAKING_MILLIS = 60_000;

/** Activities that see to it that what has an end ends, and that what is promised is kept. */
export function createLeaseActivities(deps: SiteDeps) {
  const { store } = deps;

  async function tell(lease: Lease, what: string, message: string, alert = false): Promise<void> {
    const { id, tenantId, generation } = lease;
    await store.events.append({
      id: `${id}/${what}${what === 'began' || what === 'ended' ? '' : `/${generation}`}`,
      at: deps.now(),
      kind: `lease.${what}`,
      message,
      tenantId,
      subject: id,
      ...(alert ? { alert: true as const } : {}),
    });
  }

  /** Asked for once for each end: what becomes of it is told like that of any operation, and is people's then. */
  async function endService(service: ServiceRecord): Promise<boolean> {
    const { id: serviceId, tenantId, until = 0 } = service;
    const operation = await store.operations.create(
      pendingOperation({
        id: makeOperationId(derivedEntropy('end', serviceId, until)),
        kind: 'service.decommission',
        siteId: deps.siteId,
        tenantId,
        serviceId,
        params: {},
        requestedBy: 'site',
        requestId: `until-${until}`,
        createdAt: deps.now(),
      }),
    );
    if (operation.state !== 'pending') return false;
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

  /** An end that was set while something was being placed: its place has the end of the moment before. */
  async function alignEnds(services: readonly ServiceRecord[]): Promise<void> {
    for (const service of services) {
      const vees = await store.vees.find({ serviceId: service.id, living: true });
      const freeAt = stayOfService(service)?.freeAt;
      for (const hostId of new Set(vees.map((v) => v.hostId)))
        await store.hosts.setFreeAt(
          hostId,
          vees.filter((v) => v.hostId === hostId).map((v) => v.id),
          freeAt,
          deps.now(),
        );
    }
  }

  /** What hosts note of leases that are over, were never made, or are somewhere else now. */
  async function withdrawStray(): Promise<void> {
    const promising = await store.hosts.promising();
    const leases = new Map((await store.leases.living()).map((l) => [l.id as string, l]));
    for (const { hostId, leaseId } of promising) {
      const lease = leases.get(leaseId);
      const belongs = lease && (!lease.confirmed || promisesOf(lease).has(hostId));
      if (!belongs) await store.hosts.withdraw(leaseId, [hostId]);
    }
  }

  async function endLease(lease: Lease): Promise<void> {
    if (!lease.confirmed) {
      await store.hosts.withdraw(lease.id);
      return store.leases.forget(lease.id);
    }
    await store.hosts.withdraw(lease.id);
    if (await store.leases.end(lease.id)) await tell(lease, 'ended', `reservation ${lease.name} is over`);
  }

  /** Moves what is in doubt to where there is room, or says that it is at risk. */
  async function keep(lease: Lease, site: LeaseSite): Promise<{ doubted: boolean; moved: boolean }> {
    const doubts = doubtsOf(lease, site);
    const { places, changed, risk } = relocate(lease, doubts, site);
    const moved = changed.length > 0 && (await moveTo(lease, places, changed));
    const because = changed.length === 0 || moved ? risk : doubts.map((d) => d.because).join('; ');
    const now = deps.now();
    const news = await store.leases.setRisk(lease.id, because, now);
    if (news && because !== undefined)
      await tell(lease, 'at-risk', `reservation ${lease.name} is at risk: ${because}`, true);
    else if (news) await tell(lease, 'safe', `reservation ${lease.name} is not at risk any more`);
    return { doubted: doubts.length > 0, moved };
  }

  /** @returns false when a host had no room any more, or the lease has changed: the next look sees how it is then */
  async function moveTo(lease: Lease, places: Lease['places'], changed: Lease['places']): Promise<boolean> {
    const others = [...((await store.identities.apartness()).get(lease.tenantId) ?? [])];
    const before = promisesOf(lease);
    for (const { hostId, count } of grownFirst(changed, before.keys())) {
      const promised = promiseOn(lease, count);
      const shrinks = count < (lease.places.find((p) => p.hostId === hostId)?.count ?? 0);
      if (await store.hosts.promise(hostId, promised, deps.now(), others, shrinks)) continue;
      await withdrawStray();
      return false;
    }
    if (!(await store.leases.setPlaces(lease, places))) return false;
    const kept = new Set(places.map((p) => p.hostId));
    await store.hosts.withdraw(
      lease.id,
      [...before.keys()].filter((id) => !kept.has(id)),
    );
    const where = places.map((p) => `${p.count} on ${p.hostId}`).join(', ');
    await tell(lease, 'moved', `reservation ${lease.name} has its places elsewhere now: ${where}`);
    return true;
  }

  async function keepAll(now: number): Promise<number> {
    const leases = (await store.leases.living()).filter((l) => l.confirmed);
    let site = leases.length > 0 ? await readLeaseSite(store, now) : undefined;
    let found = 0;
    for (const lease of leases) {
      if (stateOfLease(lease, now) === 'active')
        await tell(lease, 'began', `reservation ${lease.name} has begun`);
      // Anew where one was moved: what it takes, the next must not find.
      site ??= await readLeaseSite(store, deps.now());
      const { doubted, moved } = await keep(lease, site);
      if (moved) site = undefined;
      if (doubted) found++;
    }
    return found;
  }

  return {
    /** What the schedule does: ends what is due, and looks whether what is promised can be kept. */
    async seekLeases(): Promise<{ found: number }> {
      const now = deps.now();
      const limited = await store.services.limited();
      await alignEnds(limited);
      let found = 0;
      for (const service of limited) if (isDue(service, now) && (await endService(service))) found++;
      for (const lease of await store.leases.living()) {
        const stale = !lease.confirmed && lease.createdAt + MAKING_MILLIS < now;
        if (!stale && (!lease.confirmed || stateOfLease(lease, now) !== 'ended')) continue;
        await endLease(lease);
        found++;
      }
      await withdrawStray();
      found += await keepAll(now);
      return { found };
    },
  };
}

/** One that is on its way out already is left to whoever asked for that. */
const isDue = ({ until, phase }: ServiceRecord, now: number): boolean =>
  until !== undefined && until <= now && phase !== 'decommissioning';

/** Hosts where it has nothing yet come first: until they have taken it, nothing is given up. */
const grownFirst = (places: Lease['places'], before: Iterable<HostId>): Lease['places'] => {
  const known = new Set(before);
  return [...places].sort((a, b) => Number(known.has(a.hostId)) - Number(known.has(b.hostId)));
};
