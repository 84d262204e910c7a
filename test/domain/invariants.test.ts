import { checkInvariants, type SystemState } from '../../domain/invariants/check';
import { DEFAULT_TIMING } from '../../domain/operation/operation';
import type { Json } from '../support/json';

const NOW = 1_000_000;
const OLD = NOW - 60_000;

const vee = (changes: Json = {}): Json => ({
  id: 'vee-1',
  tenantId: 'acme',
  serviceId: 'svc-1',
  component: 'app',
  index: 0,
  state: 'ACTIVE',
  hostId: 'host-1',
  epoch: 1,
  generation: 1,
  transition: null,
  template: { readiness: { kind: 'running' }, stopGraceMillis: 0 },
  createdAt: OLD,
  updatedAt: OLD,
  ...changes,
});
const host = (changes: Json = {}): Json => ({
  id: 'host-1',
  liveness: 'up',
  reservations: {},
  reserved: { cpuMillis: 0, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 },
  fingerprint: { capacity: { cpuMillis: 1, memoryMiB: 1, diskMiB: 1, bandwidthKbps: 1 } },
  reported: [],
  reportedAt: NOW - 100,
  ...changes,
});
const operation = (changes: Json = {}): Json => ({
  id: 'op-1',
  kind: 'service.decommission',
  tenantId: 'acme',
  serviceId: 'svc-1',
  state: 'running',
  createdAt: OLD,
  startedAt: OLD,
  steps: [],
  ...changes,
});
const service = (changes: Json = {}): Json => ({
  id: 'svc-1',
  tenantId: 'acme',
  phase: 'operating',
  ...changes,
});

function violations(number: number, state: Json): readonly string[] {
  const whole = {
    now: NOW,
    hosts: [],
    snapshotHosts: [],
    vees: [],
    services: [],
    operations: [],
    ledger: [],
    constraints: [],
    rebalances: [],
    openOperations: undefined,
    timing: DEFAULT_TIMING,
    idempotencyKeys: [],
    ...state,
  } as SystemState;
  return checkInvariants(whole).find((i) => i.number === number)?.violations ?? ['there is no such check'];
}

/** Each an end that just came while the check was reading: seen as it was, it is no violation. */
describe('the check of a system that goes on meanwhile', () => {
  const endedBefore = { state: 'completed', endedAt: NOW - 1 };
  const endedSince = { state: 'completed', endedAt: NOW + 1 };
  const zero = { cpuMillis: 0, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 };

  it.each([
    [
      'a VEE that its host has ended and its service’s operation has not yet recorded',
      1,
      (op: Json) => ({ hosts: [host()], vees: [vee()], operations: [operation(op)] }),
    ],
    [
      'a reservation of an operation',
      2,
      (op: Json) => ({
        hosts: [host({ reservations: { 'vee-2': { operationId: 'op-1', amount: zero, since: OLD } } })],
        operations: [operation(op)],
      }),
    ],
    [
      'the lock of an operation on a VEE',
      3,
      (op: Json) => ({
        vees: [vee({ transition: { verb: 'pause', operationId: 'op-1', since: OLD } })],
        operations: [operation({ kind: 'vee.pause', ...op })],
      }),
    ],
    [
      'a phase that a service is passing through',
      3,
      (op: Json) => ({ services: [service({ phase: 'decommissioning' })], operations: [operation(op)] }),
    ],
  ])(
    'takes %s for what it is: right while it runs, or ended since; wrong once it had ended',
    (_what, number, state) => {
      expect(violations(number, state({}))).toEqual([]);
      expect(violations(number, state(endedSince))).toEqual([]);
      expect(violations(number, state(endedBefore))).toHaveLength(1);
    },
  );
});
