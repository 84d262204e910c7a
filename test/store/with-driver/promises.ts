import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { makeLease } from '../../../api/make-lease';
import { SluiceError } from '../../../domain/errors';
import type { AgentId, HostId, LeaseId, OperationId, SiteId, TenantId } from '../../../domain/ids';
import type { Lease, LeaseShape } from '../../../domain/leases/model';
import {
  freeThroughout,
  type HeldStay,
  MOST_PROMISES,
  overPromised,
  type Promised,
  spanOf,
} from '../../../domain/placement/promised';
import { add, type Capacity, subtract } from '../../../domain/units';
import { plannerInThread } from '../../../process/planner';
import { connectStore, type StoreConnection } from '../../../store/connect';
import { toLeaseHost } from '../../../store/hosts';
import { ensureIndexes } from '../../../store/indexes';
import { createStore, type Store } from '../../../store/store';

const NOW = 5;
type LeaseHost = ReturnType<typeof toLeaseHost>;
const hostId = 'host-1' as HostId;
const tenantId = 'acme' as TenantId;
const siteId = 'home' as SiteId;
const size = (cpuMillis: number, gpus = 0): Capacity => ({
  ...{ cpuMillis, memoryMiB: 1, diskMiB: 0, bandwidthKbps: 0 },
  ...(gpus > 0 ? { devices: { gpu: gpus } } : {}),
});
const operation = (n: number) => `op-${String(n).padStart(24, '0')}` as OperationId;
const leaseId = (n: number) => `rsv-${n}` as LeaseId;
const promiseOf = (n: number, from: number, until: number, amount: Capacity): Promised => ({
  ...{ leaseId: leaseId(n), tenantId, name: `r${n}`, from, until, amount },
});

/** Also such as should be gone by now. */
const endArbitrary = fc.option(fc.integer({ min: NOW - 3, max: 25 }), { nil: undefined });
const small = fc.integer({ min: 1, max: 4 });
const act = fc.oneof(
  fc.record({
    kind: fc.constant('promise' as const),
    n: fc.nat(3),
    from: fc.nat(20),
    millis: small,
    cpu: small,
    gpu: fc.nat(1),
  }),
  fc.record({
    kind: fc.constant('reserve' as const),
    ...{ vee: fc.nat(5), cpu: small, gpu: fc.nat(1) },
    freeAt: endArbitrary,
    on: fc.option(fc.nat(3), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('grow' as const), vee: fc.nat(5), cpu: small }),
  fc.record({
    kind: fc.constant('end' as const),
    vee: fc.nat(5),
    freeAt: endArbitrary,
  }),
  fc.record({ kind: fc.constant('release' as const), vee: fc.nat(5) }),
);

describe('what a host promises', () => {
  let connection: StoreConnection;
  let store: Store;
  before(async () => {
    connection = await connectStore(process.env.MONGODB_URI ?? '', `promises-${process.pid}`);
    await ensureIndexes(connection.db);
    store = createStore(connection);
  });
  after(async () => {
    await connection.db.dropDatabase();
    await connection.close();
  });
  const join = async () => {
    await connection.db.collection('hosts').deleteMany({});
    await store.hosts.join(
      {
        ...{ id: hostId, siteId, agentId: 'a' as AgentId, zone: 'z', labels: {} },
        fingerprint: {
          ...{ driver: 'simulator', description: '', real: false, images: ['i'], attributes: {} },
          capacity: { cpuMillis: 8, memoryMiB: 100, diskMiB: 0, bandwidthKbps: 0, devices: { gpu: 2 } },
          capabilities: { migration: 'live' } as never,
        },
      },
      1,
    );
  };
  beforeEach(join);
  const seen = async () => {
    const host = await store.hosts.get(hostId);
    assert.ok(host);
    const stays = Object.entries(host.reservations).map(
      ([veeId, { amount, freeAt, leaseId }]): HeldStay => ({
        ...{ veeId, amount },
        ...{ ...(freeAt === undefined ? {} : { freeAt }), ...(leaseId === undefined ? {} : { leaseId }) },
      }),
    );
    return { ...toLeaseHost(host), promised: { promises: Object.values(host.promises ?? {}), stays } };
  };
  const held = (host: LeaseHost, veeId: string) => host.promised?.stays.find((s) => s.veeId === veeId);
  /** With something of one entry changed; what there is not stays so. */
  const withStay = (
    host: LeaseHost,
    veeId: string,
    change: { freeAt?: number | undefined; amount?: Capacity },
  ): LeaseHost => {
    const { promises = [], stays = [] } = host.promised ?? {};
    const old = held(host, veeId);
    if (!old) return host;
    const { freeAt, ...rest } = { ...old, ...change };
    const one = { ...rest, ...(freeAt === undefined ? {} : { freeAt }) };
    return {
      ...host,
      reserved: add(subtract(host.reserved, old.amount), one.amount),
      promised: { promises, stays: stays.map((s) => (s.veeId === veeId ? one : s)) },
    };
  };
  const fits = (free: Capacity, need: Capacity) =>
    need.cpuMillis <= free.cpuMillis && (need.devices?.gpu ?? 0) <= (free.devices?.gpu ?? 0);

  it('is decided by the database as the planner would', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 14 }), async (acts) => {
        await join();
        for (const one of acts) {
          const before = await seen();
          if (one.kind === 'promise') {
            if (before.promised?.promises.some((p) => p.leaseId === leaseId(one.n))) continue;
            const [from, until] = [one.from + NOW, one.from + NOW + one.millis];
            const amount = size(one.cpu, one.gpu);
            const own = before.promised?.stays.some((s) => s.leaseId === leaseId(one.n));
            const made = await store.hosts.promise(hostId, promiseOf(one.n, from, until, amount), NOW);
            // What its own VEEs hold already is not promised twice, which the naive question knows nothing of.
            if (!own) assert.equal(made, fits(freeThroughout(before, { now: NOW, from, until }), amount));
          } else if (one.kind === 'reserve') {
            const id = `vee-${one.vee}`;
            if ((await store.hosts.get(hostId))?.reservations[id]) continue;
            const stay = {
              ...(one.freeAt === undefined ? {} : { freeAt: one.freeAt }),
              ...(one.on === undefined ? {} : { leaseId: leaseId(one.on) }),
            };
            const need = size(one.cpu, one.gpu);
            const made = await store.hosts.reserve(hostId, operation(one.vee), new Map([[id, need]]), NOW, {
              ...{ tenantId, stay },
            });
            assert.equal(made, fits(freeThroughout(before, spanOf(NOW, stay)), need));
          } else if (one.kind === 'grow') {
            const id = `vee-${one.vee}`;
            const gpus = held(before, id)?.amount.devices?.gpu ?? 0;
            const amount = size(one.cpu, gpus);
            const made = await store.hosts.adjust(hostId, id, amount, NOW);
            const then = withStay(before, id, { amount });
            assert.equal(made, held(before, id) !== undefined && overPromised(then, NOW) === undefined);
          } else if (one.kind === 'end') {
            const id = `vee-${one.vee}`;
            const made = await store.hosts.setFreeAt(hostId, [id], one.freeAt, NOW);
            assert.equal(made, overPromised(withStay(before, id, { freeAt: one.freeAt }), NOW) === undefined);
          } else await store.hosts.releaseAll([`vee-${one.vee}`], { hostId });
          const after = await seen();
          assert.equal(overPromised(after, NOW), undefined, JSON.stringify([one, before, after]));
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  it('never keeps something from ending earlier, also when the host has too little for all that', async () => {
    await store.hosts.promise(hostId, promiseOf(1, 20, 30, size(4)), NOW);
    const need = new Map([['vee-1', size(4)]]);
    await store.hosts.reserve(hostId, operation(1), need, NOW, { tenantId, stay: {} });
    const less = { $set: { 'fingerprint.capacity.cpuMillis': 3 } };
    await connection.db.collection<{ _id: string }>('hosts').updateOne({ _id: hostId }, less);
    assert.equal(await store.hosts.setFreeAt(hostId, ['vee-1', 'vee-gone'], 25, NOW), true);
    assert.equal(await store.hosts.setFreeAt(hostId, ['vee-1'], undefined, NOW), false);
    assert.equal(await store.hosts.setFreeAt(hostId, ['vee-gone'], undefined, NOW), true);
    assert.equal((await store.hosts.get(hostId))?.reservations['vee-1']?.freeAt, 25);
  });

  it('is given up whatever the host is like, but never made so, nor beside those it must not be beside', async () => {
    const promise = (n: number, cpu: number, shrinks = false, others: TenantId[] = []) =>
      store.hosts.promise(hostId, promiseOf(n, 10, 20, size(cpu)), NOW, others, shrinks);
    assert.equal(await promise(1, 4), true);
    assert.equal(await promise(2, 1, false, [tenantId]), false);
    await store.hosts.setCordoned(hostId, true);
    assert.equal(await promise(1, 2), false);
    assert.equal(await promise(1, 2, true), true);
    assert.equal(await promise(2, 1, true), false);
    assert.deepEqual(
      (await store.hosts.promising(leaseId(1))).map((p) => p.promised.amount.cpuMillis),
      [2],
    );
  });

  it('is told to so many leases, and to no more', async () => {
    const promise = (n: number, cpu: number) =>
      store.hosts.promise(hostId, promiseOf(n, 100 * n + 10, 100 * n + 20, size(cpu)), NOW);
    for (let n = 0; n < MOST_PROMISES; n++) assert.equal(await promise(n, 1), true);
    assert.equal(await promise(MOST_PROMISES, 1), false);
    // To those that it has promised something to it may promise more.
    assert.equal(await promise(1, 2), true);
  });

  it('knows by when each of those that have an end is to be gone', async () => {
    const stays = [{ freeAt: 20 }, { leaseId: leaseId(1) }, {}];
    for (const [n, stay] of stays.entries())
      await store.hosts.reserve(hostId, operation(n), new Map([[`vee-${n}`, size(1)]]), NOW, {
        ...{ tenantId, stay },
      });
    assert.deepEqual(await store.hosts.ends(), new Map([['vee-0', new Map([[hostId, 20]])]]));
  });

  it('is made by one of two that are at the same request: the other leaves it alone', async () => {
    const draft = (attempt: string): Lease => ({
      ...{ id: leaseId(8), siteId, tenantId, name: 'twice', kind: 'advance', count: 1, each: size(1) },
      ...{ labels: {}, apart: false, from: 10, until: 20, places: [{ hostId, count: 1 }], attempt },
      ...{ confirmed: false, live: true, generation: 1, createdAt: 0 },
      ...{ requestedBy: 'ann', requestedAs: operation(8) },
    });
    const [first, second] = [draft('first'), draft('second')];
    const plan = { from: 10, until: 20, places: first.places };
    await store.leases.begin(first, NOW);
    await store.leases.begin(second, NOW);
    assert.equal(await store.leases.confirm(first, plan), false);
    assert.equal(await store.leases.forget(first), false);
    assert.equal(await store.leases.confirm(second, plan), true);
    // Nobody can give up what is confirmed, nor confirm it once more.
    assert.equal(await store.leases.forget(second), false);
    assert.equal(await store.leases.confirm(second, plan), false);
    await connection.db.collection('leases').deleteMany({});
  });

  it('begins earlier with all of its places or with none, and nothing is left where it was', async () => {
    await connection.db.collection('leases').deleteMany({});
    const lease: Lease = {
      ...{ id: leaseId(7), siteId, tenantId, name: 'sooner', kind: 'best-effort', count: 1, each: size(5) },
      ...{ labels: {}, apart: false, from: 40, until: 50, places: [{ hostId, count: 1 }] },
      ...{ confirmed: true, live: true, generation: 1, createdAt: 0 },
      ...{ requestedBy: 'ann', requestedAs: operation(7) },
    };
    await connection.db.collection('leases').insertOne({ _id: lease.id, ...lease } as never);
    assert.equal(await store.hosts.promise(hostId, promiseOf(7, 40, 50, size(5)), NOW), true);
    assert.equal(await store.hosts.promise(hostId, promiseOf(8, 20, 30, size(5)), NOW), true);
    const move = (one: Lease, from: number, places = lease.places) =>
      store.leases.moveInTime(one, { kind: 'lease', from, until: from + 10, places }, NOW, []);
    const times = async () =>
      (await store.hosts.promising(lease.id)).map((p) => [p.promised.from, p.promised.until]);
    // There is too little, and elsewhere no host at all: neither changes anything.
    assert.equal(await move(lease, 25), false);
    const gone = [...lease.places, { hostId: 'nowhere' as HostId, count: 1 }];
    assert.equal(await move(lease, 30, gone), false);
    assert.deepEqual([await times(), (await store.leases.get(lease.id))?.from], [[[40, 50]], 40]);
    // Its own time now is not in its way.
    assert.equal(await move(lease, 32), true);
    assert.deepEqual([await times(), (await store.leases.get(lease.id))?.from], [[[32, 42]], 32]);
    // It has changed since it was read.
    assert.equal(await move(lease, 10), false);
    await connection.db.collection('leases').deleteMany({});
  });

  it('is at risk: news are what stands in its way, and for how long it has', async () => {
    const lease = { id: leaseId(9), live: true, generation: 1, tenantId, name: 'risky' };
    await connection.db.collection('leases').insertOne({ _id: lease.id, ...lease } as never);
    const risk = (because: string) => ({ because, doubts: 'lost' });
    const set = (one: ReturnType<typeof risk> | undefined, at: number) =>
      store.leases.setRisk(lease.id, one, at);
    assert.deepEqual(
      [await set(risk('0'), 1), await set(risk('0'), 2), await set(risk('1'), 3)],
      [true, false, false],
    );
    assert.deepEqual((await store.leases.get(lease.id))?.risk, { since: 1, ...risk('1') });
    assert.deepEqual([await set(undefined, 4), await set(undefined, 5)], [true, false]);
    assert.equal(await store.leases.end(lease.id), true);
    await connection.db.collection('leases').deleteMany({});
  });

  it('is never more than it has, however many ask at once', async () => {
    const asked = Array.from({ length: 24 }, (_, n) =>
      n % 2 === 0
        ? store.hosts.promise(hostId, promiseOf(n, 10, 20, size(1)), NOW)
        : store.hosts.reserve(hostId, operation(n), new Map([[`vee-${n}`, size(1)]]), NOW, { tenantId }),
    );
    const made = (await Promise.all(asked)).filter(Boolean);
    assert.equal(made.length, 8);
    assert.equal(overPromised(await seen(), NOW), undefined);
  });

  it('is promised to one of two leases that count on the same room, and nothing is left of the other', async () => {
    const shape: LeaseShape = { tenantId, count: 5, each: size(1), labels: {}, apart: false };
    const time = { kind: 'immediate' as const, from: Date.now(), millis: 600_000 };
    const planner = plannerInThread({ policyFolder: undefined, algorithmFolder: undefined });
    const identity = { id: 'i', name: 'ann', role: 'operator' as const, createdAt: 0 };
    const make = (n: number) =>
      makeLease(
        { store, siteId, planner },
        { identity, operationId: operation(n) },
        `r${n}`,
        shape,
        time,
      ).then(
        (lease) => lease.id as string,
        (error: unknown) => (error instanceof SluiceError ? error.code : String(error)),
      );
    const [one, other] = await Promise.all([make(1), make(2)]);
    assert.equal([one, other].filter((id) => id === 'placement-infeasible').length, 1);
    const [id] = [one, other].filter((answer) => answer?.startsWith('rsv-'));
    const promising = (await store.hosts.promising()).map((p) => [p.hostId, p.promised.leaseId]);
    assert.deepEqual(promising, [[hostId, id]]);
    assert.deepEqual(
      (await store.leases.all()).map((l) => [l.id, l.confirmed]),
      [[id, true]],
    );
    // Asked for once more it is the same.
    assert.equal(await make(one === id ? 1 : 2), id);
    assert.equal((await store.hosts.promising()).length, 1);
  });
});
