import { randomUUID } from 'node:crypto';
import { derivedEntropy } from '../domain/derived-entropy';
import { durationText } from '../domain/duration';
import { SluiceError } from '../domain/errors';
import { makeLeaseId, type TenantId } from '../domain/ids';
import {
  type Lease,
  type LeasePlan,
  type LeaseShape,
  type NoLease,
  SHORTEST_LEASE_MILLIS,
} from '../domain/leases/model';
import type { LeaseTime } from '../domain/leases/plan';
import { refusalSummary } from '../domain/placement/refusal-summary';
import { utcText } from '../domain/utc';
import type { Identity } from '../store/identities';
import { promiseEverywhere } from '../store/leases';
import { readLeaseSite } from '../store/snapshot';
import type { ApiDeps } from './deps';
import { invalid } from './invalid';
import type { Context } from './route';

/** When it is to be: for at most ten years from now on. */
const MOST_AHEAD_MILLIS = 10 * 366 * 86_400_000;
/** Others may keep promising what one counts on; after so many lost races it is said so. */
const MOST_FRESH_PLANS = 5;

export interface AskedTime {
  readonly from?: number | undefined;
  readonly until?: number | undefined;
  readonly forMillis?: number | undefined;
  readonly bestEffort: boolean;
}

/** @throws SluiceError `request-invalid` */
export function leaseTimeOf({ from, until, forMillis, bestEffort }: AskedTime, now: number): LeaseTime {
  if (bestEffort && from !== undefined)
    throw invalid('/from', 'it begins at a given time, or as soon as it can', 'Leave one of them out.');
  if (bestEffort && forMillis === undefined)
    throw invalid('/forMillis', 'it is missing', 'Say for how long, as it is not known when it begins.');
  if (!bestEffort && (until === undefined) === (forMillis === undefined))
    throw invalid('/until', 'it takes one end', 'Say until when or for how long, and not both.');
  if (from !== undefined && from < now)
    throw invalid('/from', `${utcText(from)} is over`, 'Give a time to come; left out, it begins at once.');
  const begin = from ?? now;
  const millis = forMillis ?? (until ?? begin) - begin;
  if (millis < SHORTEST_LEASE_MILLIS)
    throw invalid(
      forMillis === undefined ? '/until' : '/forMillis',
      `it would last ${durationText(millis)}, and ${durationText(SHORTEST_LEASE_MILLIS)} are the least`,
      'Give it more time: the last minute is for what is there to go.',
    );
  if (begin + millis > now + MOST_AHEAD_MILLIS)
    throw invalid(
      forMillis === undefined ? '/until' : '/forMillis',
      `it would end in ${durationText(begin + millis - now)}, and ${durationText(MOST_AHEAD_MILLIS)} are the most`,
      'Give an earlier end.',
    );
  if (bestEffort && until !== undefined && begin + millis > until)
    throw invalid('/until', `it could not be over by ${utcText(until)}`, 'Give a later end, or less time.');
  const kind = bestEffort ? 'best-effort' : from === undefined ? 'immediate' : 'advance';
  return { kind, from: begin, millis, ...(bestEffort && until !== undefined ? { endBy: until } : {}) };
}

/** Why there is no room for it then, and when there would be. */
export function whyNoLease({ why, fits, earliest }: NoLease, count: number): string {
  const later = earliest === undefined ? '' : ` There would be room from ${utcText(earliest)} on.`;
  return `There is room for ${fits} of ${count} then. ${refusalSummary(why)}${later}`;
}

/**
 * Makes a lease: planned on what is known, and promised host by host, each in one conditional write. Of two that count on
 * the same room one is refused by a host, and plans anew. A repeat of the request finds what it has made.
 * @throws SluiceError `placement-infeasible`, `placement-race`, `already-exists`
 */
export async function makeLease(
  { store, siteId, planner }: Pick<ApiDeps, 'store' | 'siteId' | 'planner'>,
  { identity, operationId }: Pick<Context, 'identity' | 'operationId'>,
  name: string,
  shape: LeaseShape,
  time: LeaseTime,
): Promise<Lease> {
  const id = makeLeaseId(derivedEntropy(operationId, 'lease'));
  const made = await store.leases.get(id);
  if (made?.confirmed) return made;
  if (made) await abandon(made);
  const others = [...((await store.identities.apartness()).get(shape.tenantId) ?? [])];
  for (let attempt = 1; attempt <= MOST_FRESH_PLANS; attempt++) {
    const site = await readLeaseSite(store, Date.now());
    const plan = await planner.planLease({ site, shape, time });
    if (plan.kind === 'no-lease')
      throw new SluiceError('placement-infeasible', whyNoLease(plan, shape.count));
    const lease = await store.leases.begin(draft(plan), site.at);
    if (lease.confirmed) return lease;
    if (
      (await promiseEverywhere(store.hosts, { ...lease, ...timesAndPlaces(plan) }, Date.now(), others)) &&
      (await store.leases.confirm(lease, timesAndPlaces(plan)))
    )
      return (await store.leases.get(id)) ?? lease;
    await abandon(lease);
    const other = await store.leases.get(id);
    if (other?.confirmed) return other;
    if (other)
      throw new SluiceError('placement-race', 'The same request has been sent again, and is at work.');
  }
  throw new SluiceError('placement-race', 'Others took the room that was counted on, time and again.');

  /** What another attempt at the same request has promised since is left to that. */
  async function abandon(attempted: Pick<Lease, 'id' | 'attempt'>): Promise<void> {
    if (await store.leases.forget(attempted)) await store.hosts.withdraw(id);
  }

  function draft(plan: LeasePlan): Lease {
    return {
      ...{ id, siteId, name, kind: time.kind, ...shape, ...timesAndPlaces(plan) },
      ...{ confirmed: false, attempt: randomUUID(), live: true, generation: 1, createdAt: Date.now() },
      ...{ requestedBy: identity.name, requestedAs: operationId },
    };
  }
}

const timesAndPlaces = ({ from, until, places }: LeasePlan) => ({ from, until, places });

/** The reservation of that name that a tenant may apply against. @throws SluiceError `not-found` */
export async function leaseNamed(
  { store }: Pick<ApiDeps, 'store'>,
  tenantId: TenantId,
  name: string,
): Promise<Lease> {
  const lease = await store.leases.named(tenantId, name);
  if (!lease) throw new SluiceError('not-found', `${tenantId} has no reservation "${name}".`);
  return lease;
}

/** As clients see it. Which hosts it is on is the operator's to know. */
export function leaseView(lease: Lease, state: string, { role }: Identity): Record<string, unknown> {
  const { id, tenantId, name, kind, count, each, image, labels, apart, from, until, places } = lease;
  const { risk, cancelledAt, requestedBy, createdAt, generation } = lease;
  const operator = role === 'operator';
  return {
    ...{ id, tenantId, name, kind, state, count, each, image, labels, apart, from, until },
    ...(operator ? { places } : {}),
    ...(risk ? { atRisk: operator ? risk.because : 'the site is short of room for it' } : {}),
    ...(cancelledAt === undefined ? {} : { cancelledAt }),
    ...{ requestedBy, createdAt, generation },
  };
}
