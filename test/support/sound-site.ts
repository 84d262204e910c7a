import type { LedgerEvent } from '../../domain/accounting/ledger';
import type { SystemState } from '../../domain/invariants/check';
import { DEFAULT_TIMING, type OperationRecord } from '../../domain/operation/operation';
import { toSnapshotHost } from '../../store/hosts';
import { hostRecord, NOW, reported, SERVICE, veeRecord } from './drift-states';
import type { Json } from './json';

export const LONG_AGO = NOW - 600_000;
const OLD = { updatedAt: LONG_AGO };

export const operation = (id: string, changes: Json = {}): OperationRecord => ({
  id,
  kind: 'service.provision',
  tenantId: 'acme',
  serviceId: SERVICE,
  state: 'completed',
  steps: [],
  createdAt: LONG_AGO,
  startedAt: LONG_AGO,
  endedAt: LONG_AGO + 1_000,
  requestedBy: 'bootstrap',
  ...changes,
});
export const running = (id: string, changes: Json = {}) =>
  operation(id, { kind: 'vee.restart', state: 'running', endedAt: undefined, ...changes });

export const ledger = (veeId: string, seq: number, changes: Json = {}): LedgerEvent =>
  ({
    id: `${veeId}/${seq}`,
    veeId,
    seq,
    kind: seq === 0 ? 'activated' : 'moved',
    at: LONG_AGO + seq,
    hostId: 'h1',
    state: 'ACTIVE',
    operationId: 'op-1',
    ...changes,
  }) as Json;

/** A site where everything is as it should be: one service, two VEEs, two hosts. */
export const sound = (): SystemState => {
  const hosts = [
    hostRecord('h1', [reported('a', 1, 'ACTIVE')]),
    hostRecord('h2', [reported('b', 1, 'ACTIVE')]),
  ];
  return {
    now: NOW,
    hosts,
    snapshotHosts: hosts.map(toSnapshotHost),
    vees: [veeRecord('a', 'h1', OLD), veeRecord('b', 'h2', { index: 1, ...OLD })],
    services: [{ id: SERVICE, tenantId: 'acme', phase: 'operating' }] as Json,
    operations: [operation('op-1')],
    ledger: [ledger('a', 0), ledger('b', 0, { hostId: 'h2' })],
    constraints: [{ kind: 'apart-within', level: 'host', serviceId: SERVICE, component: 'app', most: 1 }],
    rebalances: [],
    openOperations: new Set(),
    watched: true,
    timing: DEFAULT_TIMING,
    idempotencyKeys: [{ key: 'k', answeredOperationId: 'op-1' }],
  };
};

/** Three moves of a, each by an operation that another asked for: away, and back. */
export const toAndFro = (away: Json, back: Json, roots: Json[]): Json => ({
  operations: [
    operation('op-1'),
    ...roots.map((r) => operation(r.id, { kind: 'host.drain', ...r })),
    operation('op-away', { kind: 'vee.migrate', parentId: 'op-root', ...away }),
    operation('op-back', { kind: 'vee.migrate', parentId: 'op-root', ...back }),
  ],
  ledger: [
    ledger('a', 0),
    ledger('a', 1, { hostId: 'h2', operationId: 'op-away' }),
    ledger('a', 2, { hostId: 'h1', operationId: 'op-back' }),
    ledger('b', 0, { hostId: 'h2' }),
  ],
});
