import { setImmediate } from 'node:timers/promises';
import { SluiceError } from '../domain/errors';
import type { LeaseId } from '../domain/ids';
import { broughtForward, waits } from '../domain/leases/forward';
import { doubtsOf, promisesOf, relocate, samePromise, sameTime, withPlaces } from '../domain/leases/keep';
import { type Lease, MAKING_MILLIS, promiseOn, stateOfLease } from '../domain/leases/model';
import type { LeaseSite } from '../domain/leases/place';
import { fits } from '../domain/units';
import { utcText } from '../domain/utc';
import { readLeaseSite } from '../store/snapshot';
import type { SiteDeps } from './deps';
import { serviceEnds } from './service-ends';

/** A look has other things to see to; what is left is for the next. */
const FORWARD_MILLIS = 2_000;

/** Activities that see to it that what has an end ends, and that what is promised is kept. */
export function createLeaseActivities(deps: SiteDeps) {
  const { store } = deps;
  const ends = serviceEnds(deps);
  /** Where bringing forward goes on, when the last look had no time for all. */
  let resumeAt: LeaseId | undefined;

  /** @param toTenant in place of a message that names hosts */
  async function tell(
    lease: Lease,
    what: string,
    message: string,
    { toTenant, alert = false }: { readonly toTenant?: string; readonly alert?: boolean } = {},
  ): Promise<void> {
    const { id, tenantId, generation } = lease;
    await store.events.append({
      id: `${id}/${what}${what === 'began' || what === 'ended' ? '' : `/${generation}`}`,
      at: deps.now(),
      kind: `lease.${what}`,
      message,
      ...(toTenant === undefined ? {} : { toTenant }),
      tenantId,
      subject: id,
      ...(alert ? { alert: true as const } : {}),
    });
  }

  /**
   * Sets right what hosts note of leases that are over, were never made, are somewhere else now, or have another amount
   * there: what stopped half-way is as the record says then. Where a host has no room for that, the lease is in doubt.
   * @param only of this one
   */
  async function mendPromises(only?: LeaseId): Promise<void> {
    const promising = await store.hosts.promising(only);
    if (promising.length === 0) return;
    const living = only ? [await store.leases.get(only)] : await store.leases.living();
    const leases = new Map(
      living.flatMap((l) => (l?.live ? [[l.id as string, { lease: l, right: promisesOf(l) }]] : [])),
    );
    for (const { hostId, promised } of promising) {
      const { lease, right } = leases.get(promised.leaseId) ?? {};
      // One that is being made is not in its record yet.
      if (lease && !lease.confirmed) continue;
      const should = right?.get(hostId);
      if (!should) await store.hosts.withdraw(promised.leaseId, [hostId]);
      else if (lease && !samePromise(promised, should)) {
        const shrinks = sameTime(promised, should) && fits(promised.amount, should.amount);
        await store.hosts.promise(hostId, should, deps.now(), await apartFrom(lease), shrinks);
      }
    }
  }

  const apartFrom = async (lease: Lease) => [
    ...((await store.identities.apartness()).get(lease.tenantId) ?? []),
  ];

  /** The record first: what dies in between leaves promises to nobody, which the next look takes back. */
  async function endLease(lease: Lease): Promise<void> {
    if (!lease.confirmed) await store.leases.forget(lease);
    else if (await store.leases.end(lease.id))
      await tell(lease, 'ended', `reservation ${lease.name} is over`);
    await mendPromises(lease.id);
  }

  /**
   * Moves what is in doubt to where there is room, or says that it is at risk.
   * @returns the site as it is then; nothing when that is not known, as a host has refused what seemed to have room
   */
  async function keep(
    lease: Lease,
    site: LeaseSite,
  ): Promise<{ doubted: boolean; site: LeaseSite | undefined }> {
    const doubts = doubtsOf(lease, site);
    const { places, changed, risk } = relocate(lease, doubts, site);
    const moved = changed.length > 0 && (await moveTo(lease, places, changed));
    const doubted = doubts.map((d) => d.because).join('; ');
    const because = changed.length === 0 || moved ? risk : doubted;
    const now = deps.now();
    const atRisk =
      because === undefined
        ? undefined
        : { because, doubts: doubted, hosts: doubts.map((d) => d.place.hostId) };
    const news = await store.leases.setRisk(lease.id, atRisk, now);
    if (news && because !== undefined)
      await tell(lease, 'at-risk', `reservation ${lease.name} is at risk: ${because}`, {
        toTenant: `reservation ${lease.name} is at risk: the site is short of room for it`,
        alert: true,
      });
    else if (news) await tell(lease, 'safe', `reservation ${lease.name} is not at risk any more`);
    const refused = changed.length > 0 && !moved;
    const then = moved ? withPlaces(site, lease, places) : site;
    return { doubted: doubts.length > 0, site: refused ? undefined : then };
  }

  /** @returns false when a host had no room any more, or the lease has changed: the next look sees how it is then */
  async function moveTo(lease: Lease, places: Lease['places'], changed: Lease['places']): Promise<boolean> {
    const others = await apartFrom(lease);
    const before = new Map(lease.places.map((p) => [p.hostId, p.count]));
    // Nothing is given up until all that it grows by is promised, and in its record.
    const grown = changed.filter((p) => p.count > (before.get(p.hostId) ?? 0));
    let noted = true;
    for (const { hostId, count } of grown)
      noted &&= await store.hosts.promise(hostId, promiseOn(lease, count), deps.now(), others);
    noted &&= await store.leases.setPlaces(lease, places);
    await mendPromises(lease.id);
    if (!noted) return false;
    const where = places.map((p) => `${p.count} on ${p.hostId}`).join(', ');
    const moved = `reservation ${lease.name} has its places elsewhere now`;
    await tell(lease, 'moved', `${moved}: ${where}`, { toTenant: moved });
    return true;
  }

  async function keepAll(now: number): Promise<number> {
    const leases = (await store.leases.living()).filter((l) => l.confirmed);
    let site = leases.length > 0 ? await readLeaseSite(store, now) : undefined;
    let found = 0;
    for (const lease of leases) {
      if (stateOfLease(lease, now) === 'active' && lease.begunAt === undefined) {
        await tell(lease, 'began', `reservation ${lease.name} has begun`);
        await store.leases.noteBegun(lease.id, now);
      }
      // A site may have many: others have their turn in between.
      await setImmediate();
      const kept = await keep(lease, site ?? (await readLeaseSite(store, deps.now())));
      // What one takes, the next must not find.
      site = kept.site;
      if (kept.doubted) found++;
    }
    await bringForward(leases, site);
    return found;
  }

  /** Those that begin as soon as they can have what has come free since, who asked first comes first. */
  async function bringForward(leases: readonly Lease[], read: LeaseSite | undefined): Promise<void> {
    const began = deps.now();
    const inOrder = leases
      .filter((l) => waits(l, began))
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    const next = Math.max(
      0,
      inOrder.findIndex((l) => l.id === resumeAt),
    );
    resumeAt = undefined;
    let site = read;
    for (const { id } of [...inOrder.slice(next), ...inOrder.slice(0, next)]) {
      if (deps.now() - began > FORWARD_MILLIS) {
        resumeAt = id;
        return;
      }
      await setImmediate();
      // As it is now: it may have been moved, or cancelled.
      const lease = await store.leases.get(id);
      if (!lease?.live || lease.risk) continue;
      site ??= await readLeaseSite(store, deps.now());
      const plan = await broughtForward(lease, site, deps.planLease).catch((error: unknown) => {
        // Others ask as well: it is for the next look.
        if (error instanceof SluiceError) return 'later' as const;
        throw error;
      });
      if (plan === 'later') {
        resumeAt = id;
        return;
      }
      if (!plan) continue;
      const moved = await store.leases.moveInTime(lease, plan, deps.now(), await apartFrom(lease));
      const then = { ...lease, from: plan.from, until: plan.until };
      site = moved ? withPlaces(site, then, plan.places) : undefined;
      const times = `${utcText(plan.from)} to ${utcText(plan.until)}`;
      if (moved)
        await tell(lease, 'forward', `reservation ${lease.name} begins earlier: it is from ${times}`);
    }
  }

  return {
    /** What the schedule does: ends what is due, and looks whether what is promised can be kept. */
    async seekLeases(): Promise<{ found: number }> {
      const now = deps.now();
      let found = await ends.endDue();
      for (const lease of await store.leases.living()) {
        const stale = !lease.confirmed && lease.createdAt + MAKING_MILLIS < now;
        if (!stale && (!lease.confirmed || stateOfLease(lease, now) !== 'ended')) continue;
        await endLease(lease);
        found++;
      }
      await mendPromises();
      found += await keepAll(now);
      return { found };
    },
  };
}
