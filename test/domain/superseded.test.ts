import type { HostId, OperationId } from '../../domain/ids';
import { type Standing, verdictOnCopy } from '../../domain/vee/superseded';

const REPORTED_AT = 1_000;
const here = 'host-1' as HostId;
const elsewhere = 'host-2' as HostId;
const transition = { verb: 'migrate' as const, operationId: 'op-1' as OperationId, since: 0 };

const record = (changes: Partial<Standing> = {}): Standing => ({
  epoch: 2,
  state: 'ACTIVE',
  hostId: here,
  transition: null,
  updatedAt: REPORTED_AT - 1,
  ...changes,
});

describe('a copy that a host reports', () => {
  it.each([
    ['is the one that is recorded', 2, record(), 'counts', 'counts'],
    ['is of a VEE that nobody has recorded', 2, undefined, 'counts', 'counts'],
    ['was made anew since', 1, record({ hostId: elsewhere }), 'superseded', 'superseded'],
    ['was ended since', 2, record({ state: 'DESTROYED' }), 'superseded', 'superseded'],
    ['is newer than its end', 3, record({ state: 'DESTROYED' }), 'counts', 'counts'],
    [
      'is newer than the record, which moved on',
      1,
      record({ updatedAt: REPORTED_AT }),
      'counts',
      'unsettled',
    ],
    ['came here as the host was cut off', 3, record({ hostId: elsewhere }), 'counts', 'superseded'],
    ['comes here still', 3, record({ hostId: elsewhere, transition }), 'counts', 'unsettled'],
    ['is about to be recorded here', 3, record({ transition }), 'counts', 'counts'],
  ])('and %s', (_what, epoch, standing, otherwise, whenFenced) => {
    const verdict = (onFencedHost: boolean) =>
      verdictOnCopy({ epoch, hostId: here, onFencedHost }, standing, REPORTED_AT, () => false);
    expect([verdict(false), verdict(true)]).toEqual([otherwise, whenFenced]);
  });

  it('and whose operation was given up, is left to whoever looks for drift', () => {
    const copy = { epoch: 3, hostId: here, onFencedHost: true };
    expect(verdictOnCopy(copy, record({ hostId: elsewhere, transition }), REPORTED_AT, () => true)).toBe(
      'counts',
    );
  });
});
