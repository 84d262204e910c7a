import { durationText } from '../domain/duration';
import { SluiceError } from '../domain/errors';
import type { TenantId } from '../domain/ids';
import type { Lease } from '../domain/leases/model';
import { endOnLease } from '../domain/leases/use';
import type { Manifest } from '../domain/manifest/schema';
import type { ServiceRecord } from '../domain/service/service';
import { MOST_STOP_MILLIS, stopMillisOf } from '../domain/service/time-to-go';
import { utcText } from '../domain/utc';
import type { ApiDeps } from './deps';
import { invalid } from './invalid';
import { leaseNamed } from './make-lease';

export type Term = Pick<ServiceRecord, 'until' | 'leaseId'>;

/**
 * What has an end must be able to go in the time that is left for that: others count on its place then.
 * @throws SluiceError `request-invalid`
 */
export function requireTimeToGo(manifest: Manifest, pointer: string): void {
  const millis = stopMillisOf(manifest);
  if (millis > MOST_STOP_MILLIS)
    throw invalid(
      pointer,
      `it may take ${durationText(millis)} to stop, and what has an end at most ${durationText(MOST_STOP_MILLIS)}`,
      'Give it less stopGraceMillis and less time to drain, or no end.',
    );
}

/** How long what is applied stays, where there is an end to it, and on what reservation. */
export async function termOf(
  deps: Pick<ApiDeps, 'store'>,
  tenantId: TenantId,
  manifest: Manifest,
  { until, reservation }: { readonly until?: number | undefined; readonly reservation?: string | undefined },
): Promise<{ readonly term: Term; readonly lease?: Lease }> {
  const now = Date.now();
  if (until !== undefined && until <= now)
    throw invalid('/query/until', `${utcText(until)} is over`, 'Give a time to come.');
  if (until !== undefined) requireTimeToGo(manifest, '/query/until');
  if (reservation === undefined) return { term: until === undefined ? {} : { until } };
  requireTimeToGo(manifest, '/query/reservation');
  const lease = await leaseNamed(deps, tenantId, reservation);
  return { term: { until: endOnLease(lease, until, now), leaseId: lease.id }, lease };
}

/**
 * What is there has its end and its reservation: the same that is asked for again is no other, but another one is not given
 * by the way.
 * @throws SluiceError `already-exists`
 */
export async function requireTerm(
  deps: Pick<ApiDeps, 'store'>,
  { tenantId, name, until, leaseId }: ServiceRecord,
  asked: { readonly until?: number | undefined; readonly reservation?: string | undefined },
): Promise<void> {
  const lease = asked.reservation && (await leaseNamed(deps, tenantId, asked.reservation));
  const sameEnd = asked.until === undefined || asked.until === until;
  if (sameEnd && (!lease || lease.id === leaseId)) return;
  if (lease && lease.id !== leaseId)
    throw new SluiceError(
      'already-exists',
      `${name} is there, and does not use the reservation ${lease.name}: only a service that begins can.`,
    );
  throw new SluiceError(
    'already-exists',
    `${name} is there, and ${until === undefined ? 'has no end' : `ends at ${utcText(until)}`}: sluice extend ${name} gives it another.`,
  );
}
