import type { HostRecord } from '../../domain/host';
import type { OperationId } from '../../domain/ids';
import { findLeftovers, givesBack } from '../../domain/reconcile/leftovers';
import type { DriftState } from '../../domain/reconcile/model';
import { CAPACITY, driftState, hostRecord, NOW, reported, SERVICE, veeRecord } from '../support/drift-states';

const GONE = 'op-gone' as OperationId;
const EARLIER = NOW - 60_000;
const transition = { verb: 'migrate', operationId: GONE, since: EARLIER } as const;
const holding = (host: HostRecord, since = EARLIER): HostRecord => ({
  ...host,
  reportedAt: NOW,
  reservations: { a: { operationId: GONE, amount: CAPACITY, since } },
});
const left = (state: DriftState) => {
  const { places, locks } = findLeftovers(state, { graceMillis: 1_000 });
  return [...places.map((p) => `${p.veeId} on ${p.hostId}`), ...locks.map((l) => `lock of ${l.veeId}`)];
};
const heard = (host: HostRecord): HostRecord => ({ ...host, reportedAt: NOW });

describe('what ended operations still hold', () => {
  const here = heard(hostRecord('h1', [reported('a', 1, 'ACTIVE')]));
  const locked = veeRecord('a', 'h1', { transition });

  it('is a place where no copy is, and a lock of what is as it is recorded', () => {
    expect(left(driftState([locked], [here, holding(hostRecord('h2', []))]))).toEqual([
      'a on h2',
      'lock of a',
    ]);
  });

  it('is not the place that a VEE has', () => {
    const own = { ...holding(here) };
    expect(left(driftState([veeRecord('a', 'h1')], [own]))).toEqual([]);
  });

  it('is nothing while anything is under way on the service', () => {
    const busy = { id: 'op-x' as OperationId, kind: 'service.scale' as const, state: 'running' as const };
    const state = driftState([locked], [here, holding(hostRecord('h2', []))]);
    expect(left({ ...state, underWay: [{ ...busy, serviceId: SERVICE }] })).toEqual([]);
    expect(left({ ...state, underWay: [{ ...busy, id: GONE }] })).toEqual([]);
  });

  it.each<[string, Partial<HostRecord>]>([
    ['is silent', { liveness: 'suspect' }],
    ['has not spoken since', { reportedAt: EARLIER }],
    ['has a copy of it', { reported: [reported('a', 2, 'INCOMING')] }],
  ])('is not the place on a host that %s', (_what, change) => {
    const there = { ...holding(hostRecord('h2', [])), ...change };
    expect(left(driftState([veeRecord('a', 'h1')], [here, there]))).toEqual([]);
  });

  it.each<[string, HostRecord]>([
    ['runs otherwise than recorded', heard(hostRecord('h1', [reported('a', 1, 'PAUSED')]))],
    ['is not there', heard(hostRecord('h1', []))],
    ['has not been told of since', { ...here, reportedAt: EARLIER }],
  ])('is not the lock of a VEE that %s', (_what, host) => {
    expect(left(driftState([locked], [host]))).toEqual([]);
  });

  it('is left alone where somebody asked for less', () => {
    expect([givesBack({}), givesBack({ kinds: ['missing'] }), givesBack({ reportOnly: true })]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
