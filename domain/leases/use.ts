import { SluiceError } from '../errors';
import { MOST_WEIGHT, type PlacementRequest } from '../placement/model';
import { utcText } from '../utc';
import { type Lease, lastEndIn, stateOfLease } from './model';

/** A request that had rather have places that are promised to its reservation than others. */
export function onLease(request: PlacementRequest, lease: Lease | undefined): PlacementRequest {
  const [first] = request.vees;
  if (!lease || !first) return request;
  const allowHosts = lease.places.map((p) => p.hostId);
  const components = [...new Set(request.vees.map((v) => v.component))];
  const { serviceId } = first;
  return {
    ...request,
    preferences: [
      ...(request.preferences ?? []),
      ...components.map((component) => ({
        weight: MOST_WEIGHT,
        constraint: {
          ...{ kind: 'assignment' as const, serviceId, component },
          ...{ labels: {}, allowHosts, denyHosts: [], reservation: lease.name },
        },
      })),
    ],
  };
}

/**
 * When a service that is applied against a reservation ends: in time for its places to be free when that is over.
 * @param until what is asked for
 * @throws SluiceError `transition-illegal` while it is not its time, `request-invalid` for an end that is too late
 */
export function endOnLease(lease: Lease, until: number | undefined, now: number): number {
  const { name } = lease;
  const state = stateOfLease(lease, now);
  const last = lastEndIn(lease);
  if (state === 'planned')
    throw new SluiceError('transition-illegal', `Reservation ${name} begins at ${utcText(lease.from)}.`);
  if (state !== 'active' || now >= last)
    throw new SluiceError(
      'transition-illegal',
      `Reservation ${name} is ${state === 'active' ? 'about to end' : state}.`,
    );
  if (until !== undefined && until > last)
    throw new SluiceError(
      'request-invalid',
      `What uses reservation ${name} ends by ${utcText(last)}, a minute before it does.`,
      { pointer: '/query/until' },
    );
  return until ?? last;
}
