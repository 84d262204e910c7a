import { checkInvariants, type SystemState } from '../../domain/invariants/check';
import { toSnapshotHost } from '../../store/hosts';
import { CAPACITY, hostRecord, NOW, reported, SERVICE, veeRecord } from '../support/drift-states';
import type { Json } from '../support/json';
import { LONG_AGO, ledger, operation, running, sound, toAndFro } from '../support/sound-site';

const licensed = (host: SystemState['hosts'][number] | undefined, veeId: string): Json => ({
  ...host,
  reservations: { [veeId]: { ...host?.reservations[veeId], licences: ['db'] } },
});

const BREACHES: [number, string, (s: SystemState) => Json, RegExp][] = [
  [
    1,
    'a VEE that runs twice',
    ({ hosts: [h1] }) => ({
      hosts: [
        h1,
        hostRecord('h2', [reported('b', 1, 'ACTIVE'), reported('a', 1, 'ACTIVE')], { holds: ['b'] }),
      ],
    }),
    /^a runs on h1 and h2$/,
  ],
  [
    1,
    'one that nothing is recorded of',
    ({ hosts: [h1] }) => ({
      hosts: [
        h1,
        hostRecord('h2', [reported('b', 1, 'ACTIVE'), reported('ghost', 1, 'ACTIVE')], { holds: ['b'] }),
      ],
    }),
    /^ghost runs on h2, and is recorded nowhere$/,
  ],
  [
    1,
    'one that does not run where it is recorded',
    ({ hosts: [h1] }) => ({ hosts: [h1, hostRecord('h2', [], { holds: ['b'] })] }),
    /^b is recorded ACTIVE on h2, which does not run it/,
  ],
  [
    2,
    'a host that is reserved beyond what it offers',
    ({ hosts: [h1, h2] }) => ({
      hosts: [{ ...h1, fingerprint: { ...h1?.fingerprint, capacity: { ...CAPACITY, memoryMiB: 1 } } }, h2],
    }),
    /^h1: 64 memoryMiB reserved of 1$/,
  ],
  [
    2,
    'a sum that does not add up',
    ({ hosts: [h1, h2] }) => ({ hosts: [{ ...h1, reserved: { ...CAPACITY, cpuMillis: 7 } }, h2] }),
    /^h1: cpuMillis reserved 7/,
  ],
  [
    2,
    'more licences in use than there are',
    ({ hosts: [h1, h2] }) => ({
      licencePools: [{ name: 'db', count: 1, per: 'host' }],
      hosts: [licensed(h1, 'a'), licensed(h2, 'b')],
    }),
    /^2 of db are in use, and there are 1$/,
  ],
  [
    2,
    'a licence that is taken without being reserved',
    ({ vees: [a, b] }) => ({ vees: [{ ...a, template: { ...a?.template, licences: ['db'] } }, b] }),
    /^a takes a licence of db that its reservation does not$/,
  ],
  [
    2,
    'a reservation that was never released',
    ({ hosts: [h1] }) => ({
      hosts: [h1, hostRecord('h2', [reported('b', 1, 'ACTIVE')], { holds: ['a', 'b'] })],
    }),
    /^h2: the reservation of a was never released$/,
  ],
  [
    2,
    'a VEE without a place',
    ({ hosts: [h1] }) => ({ hosts: [h1, hostRecord('h2', [reported('b', 1, 'ACTIVE')], { holds: [] })] }),
    /^b occupies h2 without a reservation$/,
  ],
  [
    3,
    'a request that never started',
    (s) => ({ operations: [...s.operations, running('op-2', { state: 'pending', createdAt: LONG_AGO })] }),
    /^op-2 was recorded 10 min ago and never started$/,
  ],
  [
    3,
    'an operation that no workflow carries',
    (s) => ({ operations: [...s.operations, running('op-2', { startedAt: NOW - 5_000 })] }),
    /^op-2 is recorded running, but no workflow carries it$/,
  ],
  [
    3,
    'one that waits for nothing',
    (s) => ({ operations: [...s.operations, running('op-2', { state: 'queued', behind: ['op-1'] })] }),
    /^op-2 is queued behind nothing that runs$/,
  ],
  [
    3,
    'one that is stuck without a reason',
    (s) => ({ operations: [...s.operations, operation('op-2', { kind: 'vee.pause', state: 'stuck' })] }),
    /^op-2 is stuck without a reason$/,
  ],
  [
    3,
    'a lock that was left',
    ({ vees: [a, b] }) => ({
      vees: [{ ...a, transition: { verb: 'pause', operationId: 'op-1', since: 0 } }, b],
    }),
    /^a is left in transition by op-1$/,
  ],
  [
    3,
    'a service that was left half-way',
    () => ({ services: [{ id: SERVICE, tenantId: 'acme', phase: 'deploying' }] }),
    /^svc-1 is left deploying with no operation under way$/,
  ],
  [
    4,
    'a hole in a ledger',
    () => ({ ledger: [ledger('a', 0), ledger('a', 2, { kind: 'state' }), ledger('b', 0, { hostId: 'h2' })] }),
    /^a: event 1 has seq 2/,
  ],
  [
    4,
    'a VEE that runs and is not metered',
    () => ({ ledger: [ledger('b', 0, { hostId: 'h2' })] }),
    /^a is ACTIVE and not metered$/,
  ],
  [
    4,
    'one that is destroyed and still metered',
    (s) => ({
      vees: [...s.vees, veeRecord('c', 'h1', { state: 'DESTROYED' })],
      ledger: [...s.ledger, ledger('c', 0)],
    }),
    /^c is destroyed and still metered$/,
  ],
  [
    4,
    'one that is metered elsewhere',
    () => ({ ledger: [ledger('a', 0), ledger('b', 0)] }),
    /^b is metered on h1 and recorded on h2$/,
  ],
  [
    5,
    'an answer about something that does not exist',
    () => ({ idempotencyKeys: [{ key: 'k', answeredOperationId: 'op-9' }] }),
    /^a key was answered with op-9, which does not exist$/,
  ],
  [
    5,
    'a service that was made twice',
    (s) => ({ operations: [...s.operations, operation('op-2')] }),
    /^svc-1 was provisioned 2 times$/,
  ],
  [
    6,
    'a VEE in another tenant’s service',
    ({ vees: [a, b] }) => ({ vees: [a, { ...b, tenantId: 'rival' }] }),
    /^b of rival belongs to a service of acme$/,
  ],
  [
    7,
    'two that must not share a host',
    ({ vees: [a, b] }) => ({
      vees: [a, { ...b, hostId: 'h1' }],
      hosts: [hostRecord('h1', [reported('a', 1, 'ACTIVE'), reported('b', 1, 'ACTIVE')]), hostRecord('h2')],
      ledger: [ledger('a', 0), ledger('b', 0)],
    }),
    /^a and b share h1$/,
  ],
  [
    8,
    'a VEE that one operation moved away and back',
    () => toAndFro({}, {}, [{ id: 'op-root' }]),
    /^a was moved from h1 to h2 by op-away and back by op-back$/,
  ],
  [
    8,
    'one that the site moved away and back at its next run',
    () =>
      toAndFro({}, { parentId: 'op-next' }, [
        { id: 'op-root', requestedBy: 'site' },
        { id: 'op-next', requestedBy: 'site' },
      ]),
    /^a was moved from h1 to h2 by op-away and back by op-back$/,
  ],
  [
    9,
    'a workflow that outlives its record',
    () => ({ openOperations: new Set(['op-1']) }),
    /^op-1 ended 9 min 59 s ago, and its workflow is still open$/,
  ],
  [
    9,
    'a workflow without a record',
    () => ({ openOperations: new Set(['op-9']) }),
    /^op-9 has a workflow, but no record$/,
  ],
  [
    9,
    'an operation that stands still',
    (s) => ({
      openOperations: new Set(['op-2']),
      operations: [
        ...s.operations,
        running('op-2', { steps: [{ name: 'stop', state: 'running', startedAt: LONG_AGO }] }),
      ],
    }),
    /^op-2 is running and has not moved for 10 min: at stop$/,
  ],
  [
    8,
    'a rebalance that was to make it worse',
    () => ({ rebalances: [{ ...REBALANCE, moves: [MOVE_OF_A], before: 0.1, after: 0.2 }] }),
    /^op-root was to bring the site from 0\.1 to 0\.2$/,
  ],
  [
    8,
    'a rebalance that was to move more than it might',
    () => ({ rebalances: [{ ...REBALANCE, moves: [MOVE_OF_A, MOVE_OF_A] }] }),
    /^op-root was to move 2 VEEs, and might move 1$/,
  ],
  [
    8,
    'a rebalance that moved what it had not decided to',
    () => ({ ...movedByRebalance(), rebalances: [REBALANCE] }),
    /^op-root moved a from h1 to h2, and had not decided to$/,
  ],
  [9, 'a watch that does not run', () => ({ watched: false }), /^the site’s watch does not run/],
  [
    9,
    'a Temporal that does not answer',
    () => ({ openOperations: undefined, watched: undefined }),
    /^Temporal does not answer/,
  ],
];

const MOVE_OF_A = { veeIds: ['a'], fromHostId: 'h1', toHostId: 'h2' };
const REBALANCE = {
  ...{ id: 'op-root', createdAt: LONG_AGO, mostMoves: 1 },
  ...{ before: 0.2, after: 0.1, moves: [], waves: [] },
};

/** `a` is where a rebalance has brought it. */
function movedByRebalance(): Json {
  const [a, b] = sound().vees;
  return {
    hosts: [hostRecord('h1', [reported('b', 1, 'ACTIVE')]), hostRecord('h2', [reported('a', 1, 'ACTIVE')])],
    vees: [
      { ...a, hostId: 'h2' },
      { ...b, hostId: 'h1' },
    ],
    operations: [
      operation('op-1'),
      operation('op-root', { kind: 'site.rebalance' }),
      operation('op-2', { kind: 'service.migrate', parentId: 'op-root' }),
    ],
    ledger: [ledger('a', 0), ledger('a', 1, { hostId: 'h2', operationId: 'op-2' }), ledger('b', 0)],
  };
}

const broken = (state: SystemState) =>
  checkInvariants(state)
    .filter((i) => i.violations.length > 0)
    .map((i) => i.number);

describe('the nine invariants', () => {
  it('hold for a site where everything is as it should be, and each has looked at something', () => {
    const report = checkInvariants({
      ...sound(),
      ...toAndFro({}, {}, [{ id: 'op-root', kind: 'host.restore' }]),
      openOperations: new Set(),
    });
    expect(report.flatMap((i) => i.violations)).toEqual([]);
    expect(report.map((i) => i.number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const i of report) expect([i.number, i.checked > 0]).toEqual([i.number, true]);
    for (const { title } of report) expect(title.length).toBeGreaterThan(20);
  });

  it.each(BREACHES)('%i is broken by %s, and no other is', (number, _what, change, expected) => {
    const state = { ...sound(), ...change(sound()) };
    state.snapshotHosts = state.hosts.map(toSnapshotHost);
    expect(broken(state)).toEqual([number]);
    const found = checkInvariants(state)[number - 1]?.violations ?? [];
    expect(found.filter((v) => expected.test(v))).toHaveLength(1);
  });

  it('8 is broken beside 7 when it was the site that moved a VEE to where it may not be, and then names the move', () => {
    const [a, b] = sound().vees;
    const hosts = [
      hostRecord('h1', [reported('a', 1, 'ACTIVE'), reported('b', 1, 'ACTIVE')]),
      hostRecord('h2'),
    ];
    const state: Json = {
      ...sound(),
      hosts,
      vees: [a, { ...b, hostId: 'h1' }],
      operations: [
        operation('op-1'),
        operation('op-root', { kind: 'host.drain' }),
        operation('op-2', { kind: 'service.migrate', parentId: 'op-root' }),
      ],
      ledger: [
        ledger('a', 0),
        ledger('b', 0, { hostId: 'h2' }),
        ledger('b', 1, { hostId: 'h1', operationId: 'op-2' }),
      ],
    };
    expect(broken(state)).toEqual([7, 8]);
    expect(checkInvariants(state)[7]?.violations).toEqual(['op-2 moved b to h1: a and b share h1']);
  });

  it('8 is not broken by a rebalance that did what it had decided to', () => {
    const state = { ...sound(), ...movedByRebalance(), rebalances: [{ ...REBALANCE, moves: [MOVE_OF_A] }] };
    expect(broken(state as Json)).toEqual([]);
  });

  it('8 is not broken by what people ask for, by what is brought back, or by what is undone', () => {
    const roots: [string, Json, Json, Json[]][] = [
      ['two drains', {}, { parentId: 'op-next' }, [{ id: 'op-root' }, { id: 'op-next' }]],
      [
        'a drain and its restore',
        {},
        { parentId: 'op-next' },
        [
          { id: 'op-root', requestedBy: 'site' },
          { id: 'op-next', requestedBy: 'site', kind: 'host.restore' },
        ],
      ],
      ['an undo', { state: 'undone' }, { state: 'undone' }, [{ id: 'op-root' }]],
      ['a drain that was cancelled', {}, {}, [{ id: 'op-root', state: 'undone' }]],
      [
        'two recoveries',
        { kind: 'service.relocate' },
        { kind: 'service.relocate', parentId: 'op-next' },
        [
          { id: 'op-root', requestedBy: 'site' },
          { id: 'op-next', requestedBy: 'site' },
        ],
      ],
    ];
    for (const [name, away, back, of] of roots)
      expect([name, broken({ ...sound(), ...toAndFro(away, back, of) })]).toEqual([name, []]);
  });

  it('9 is not broken by what waits for a person, for other operations, or as long as its manifest lets it', () => {
    const still = { steps: [{ name: 'ready', state: 'running', startedAt: NOW - 300_000 }] };
    const of = (changes: Json, more: Json[] = [], state: Json = {}) =>
      broken({
        ...sound(),
        openOperations: new Set(['op-2', ...more.map((o: Json) => o.id)]),
        operations: [operation('op-1'), running('op-2', { ...still, ...changes }), ...more],
        ...state,
      });
    expect(of({})).toEqual([9]);
    // A batch of a large service is one step; that its VEEs become what they shall be tells that it goes on.
    expect(of({}, [], { vees: sound().vees.map((v) => ({ ...v, updatedAt: NOW - 3_000 })) })).toEqual([]);
    expect(of({ state: 'stuck', stuck: { step: 'ready' } })).toEqual([]);
    const moving = running('op-3', { parentId: 'op-2', startedAt: NOW - 100, createdAt: NOW - 100 });
    expect(of({}, [moving])).toEqual([]);
    const [a, b] = sound().vees as Json[];
    const readiness = { kind: 'exec', command: [], periodMillis: 1, timeoutMillis: 200_000 };
    expect(of({}, [], { vees: [{ ...a, template: { ...a.template, readiness } }, b] })).toEqual([]);
  });
});
