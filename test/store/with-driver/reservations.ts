import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { AgentId, HostId, OperationId, SiteId, TenantId, VeeId } from '../../../domain/ids';
import { LICENCE_BASES, licencesExceeded, placesOn } from '../../../domain/placement/licences';
import { amountOf, type Capacity, dimensionsOf, sameCapacity, sum } from '../../../domain/units';
import { connectStore, type StoreConnection } from '../../../store/connect';
import { ensureIndexes } from '../../../store/indexes';
import { createStore } from '../../../store/store';

const HOSTS = 3;
const VEES = 8;
const hostId = (n: number) => `host-${n}` as HostId;
const veeId = (n: number) => `vee-${n}` as VeeId;
const operationId = (n: number) => `op-${n}` as OperationId;
const needOf = (cpuMillis: number, gpu: number): Capacity => ({
  ...{ cpuMillis, memoryMiB: 10, diskMiB: 0, bandwidthKbps: 0 },
  ...(gpu > 0 ? { devices: { gpu } } : {}),
});
const has: readonly Capacity[] = [
  { cpuMillis: 9_000, memoryMiB: 1_000, diskMiB: 10, bandwidthKbps: 10, devices: { gpu: 3, tpu: 1 } },
  { cpuMillis: 5_000, memoryMiB: 1_000, diskMiB: 10, bandwidthKbps: 10, devices: { gpu: 1 } },
  { cpuMillis: 9_000, memoryMiB: 1_000, diskMiB: 10, bandwidthKbps: 10 },
];

const on = { host: fc.nat(HOSTS - 1), vee: fc.nat(VEES - 1) };
const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ kind: fc.constant('reserve' as const), ...on, cpu: fc.integer({ min: 1, max: 3_000 }) },
      ...{ gpu: fc.nat(2), licences: fc.subarray(['db', 'os']) },
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), ...on }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('releaseAll' as const), ...on, all: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{
        kind: fc.constant('adjust' as const),
        ...on,
        cpu: fc.integer({ min: 1, max: 3_000 }),
        gpu: fc.nat(2),
      },
    }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

describe('what hosts have reserved', () => {
  let connection: StoreConnection;
  let store: ReturnType<typeof createStore>;
  before(async () => {
    connection = await connectStore(process.env.MONGODB_URI ?? '', `held-${process.pid}`);
    await ensureIndexes(connection.db);
    store = createStore(connection);
  });
  beforeEach(begin);
  after(async () => {
    await connection.db.dropDatabase();
    await connection.close();
  });

  async function begin(): Promise<void> {
    await connection.db.collection('hosts').deleteMany({});
    await connection.db.collection('licences').deleteMany({});
    for (const [n, capacity] of has.entries()) await join(n, capacity);
  }

  const join = (n: number, capacity: Capacity) =>
    store.hosts.join(
      {
        ...{ id: hostId(n), siteId: 'home' as SiteId, agentId: 'a' as AgentId, zone: 'z', labels: {} },
        fingerprint: {
          ...{ driver: 'simulator', description: '', real: false, images: [], attributes: {}, capacity },
          capabilities: {} as never,
        },
      },
      1,
    );

  async function take(n: number, vee: number, need: Capacity, names: readonly string[] = []) {
    const licences = new Map(names.length > 0 ? [[veeId(vee) as string, names]] : []);
    const needs = new Map([[veeId(vee) as string, need]]);
    const tenancy = { tenantId: 't' as TenantId, licences };
    return store.hosts.reserve(hostId(n), operationId(vee), needs, 1, tenancy);
  }

  async function act(a: Action): Promise<unknown> {
    const [host, vee] = [hostId(a.host), veeId(a.vee)];
    if (a.kind === 'reserve') return take(a.host, a.vee, needOf(a.cpu, a.gpu), a.licences);
    if (a.kind === 'release') return store.hosts.release(host, vee, operationId(a.vee));
    if (a.kind === 'adjust') return store.hosts.adjust(host, vee, needOf(a.cpu, a.gpu), 1);
    return store.hosts.releaseAll([vee, veeId(a.vee + 1)], a.all ? {} : { hostId: host });
  }

  async function assertSound(): Promise<void> {
    const hosts = await store.hosts.all();
    for (const { id, reserved, reservations, fingerprint } of hosts) {
      const total = sum(Object.values(reservations).map((r) => r.amount));
      assert.ok(sameCapacity(total, reserved), `${id}: ${JSON.stringify([total, reserved])}`);
      for (const d of dimensionsOf(total))
        assert.ok(amountOf(total, d) <= amountOf(fingerprint.capacity, d), `${id} has too little ${d}`);
    }
    const licences = { pools: await store.licences.pools(), places: placesOn(hosts) };
    assert.deepEqual(licencesExceeded({ hosts, licences }), []);
    const read = (await store.licences.read())?.places.map((p) => `${p.veeId} ${p.hostId} ${p.cpuMillis}`);
    const held = licences.places.map((p) => `${p.veeId} ${p.hostId} ${p.cpuMillis}`);
    if (licences.pools.length > 0) assert.deepEqual(read?.sort(), held.sort());
  }

  it('is the sum of its reservations, never more than there is, and takes no more licences than there are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(action, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 }),
        fc.record({ count: fc.integer({ min: 1, max: 4 }), per: fc.constantFrom(...LICENCE_BASES) }),
        async (rounds, db) => {
          await begin();
          await store.licences.set({ name: 'db', ...db });
          await store.licences.set({ name: 'os', count: 2, per: 'vee' });
          for (const round of rounds) {
            await Promise.all(round.map(act));
            await assertSound();
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  it('is taken once under an operation, also where it takes licences', async () => {
    await store.licences.set({ name: 'db', count: 1, per: 'vee' });
    const asked = () => take(0, 1, needOf(10, 1), ['db']);
    assert.deepEqual(await Promise.all([asked(), asked(), asked()]), [true, true, true]);
    assert.equal((await store.hosts.get(hostId(0)))?.reserved.devices?.gpu, 1);
    // A move holds the old place and the new one, with one licence.
    assert.equal(await take(1, 1, needOf(10, 1), ['db']), true);
    assert.equal(await take(2, 2, needOf(10, 0), ['db']), false);
    assert.equal(await take(2, 2, needOf(10, 0), ['other']), false);
    await store.hosts.releaseAll([veeId(1)], { except: hostId(1) });
    assert.equal(await take(2, 2, needOf(10, 0), ['db']), false);
    await store.hosts.releaseAll([veeId(1)]);
    assert.equal(await take(2, 2, needOf(10, 0), ['db']), true);
    assert.deepEqual((await store.hosts.get(hostId(0)))?.reserved.devices, { gpu: 0 });
  });

  it('goes to one of two who want the last of a licence at once, on different hosts', async () => {
    for (let round = 0; round < 10; round++) {
      await begin();
      await store.licences.set({ name: 'db', count: 1, per: 'host' });
      const won = await Promise.all([0, 1, 2].map((n) => take(n, n, needOf(10, 0), ['db'])));
      assert.equal(won.filter(Boolean).length, 1);
      const [fewer, gone] = [{ name: 'db', count: 0, per: 'host' } as const, 'db'];
      assert.equal((await store.licences.set(fewer)).kind, 'in-use');
      assert.equal((await store.licences.remove(gone)).kind, 'in-use');
    }
    // Whoever takes the last and whoever takes it away do not both succeed.
    await begin();
    await store.licences.set({ name: 'db', count: 1, per: 'vee' });
    const [took, removed] = await Promise.all([
      take(0, 0, needOf(10, 0), ['db']),
      store.licences.remove('db'),
    ]);
    assert.notEqual(took, removed.kind === 'done');
  });

  it('is counted anew where a release that knew of no devices has given some back', async () => {
    assert.equal(await take(0, 0, needOf(10, 1)), true);
    assert.equal(await take(0, 1, needOf(10, 2)), true);
    assert.equal(await take(1, 2, needOf(10, 1)), true);
    assert.equal(await store.hosts.recountDevices(), 0);
    const hosts = connection.db.collection<{ _id: string }>('hosts');
    const amount = needOf(10, 0);
    await hosts.updateOne(
      { _id: hostId(0) },
      {
        $unset: { [`reservations.${veeId(1)}`]: '' },
        $inc: { 'reserved.cpuMillis': -amount.cpuMillis, 'reserved.memoryMiB': -amount.memoryMiB },
      },
    );
    assert.equal(await take(0, 3, needOf(10, 2)), false);
    assert.equal(await store.hosts.recountDevices(), 1);
    await assertSound();
    assert.equal(await take(0, 3, needOf(10, 2)), true);
    await assertSound();
  });

  /** A blueprint of one VEE a host. */
  const whole = (operation: number, on: readonly number[], names: readonly string[]) => {
    const mine = (n: number) => veeId(1_000 * operation + n);
    return store.hosts.reserveAll(
      operationId(operation),
      new Map(on.map((n) => [hostId(n), new Map([[mine(n) as string, needOf(1, 0)]])])),
      1,
      { tenantId: 't' as TenantId, licences: new Map(on.map((n) => [mine(n) as string, names])) },
    );
  };
  const heldOf = async (operation: number) =>
    (await store.hosts.all()).flatMap((h) =>
      Object.values(h.reservations).filter((r) => r.operationId === operationId(operation)),
    ).length;

  it('goes as a whole to one of two who want all that is left of a licence', async () => {
    for (let round = 0; round < 10; round++) {
      await begin();
      await store.licences.set({ name: 'db', count: 2, per: 'vee' });
      const won = await Promise.all([whole(1, [0, 1], ['db']), whole(2, [1, 0], ['db'])]);
      assert.deepEqual([...won].sort(), [false, true]);
      const held = await Promise.all([heldOf(1), heldOf(2)]);
      assert.deepEqual(
        held,
        won.map((w) => (w ? 2 : 0)),
      );
    }
    // A host that has no room leaves nothing held on the others.
    await store.hosts.setCordoned(hostId(2), true);
    await store.licences.set({ name: 'db', count: 9, per: 'vee' });
    assert.equal(await whole(3, [0, 1, 2], ['db']), false);
    assert.equal(await heldOf(3), 0);
  });

  it('asks for licences once: a repeat finds what it holds', async () => {
    await store.licences.set({ name: 'db', count: 2, per: 'vee' });
    const claims = async () => (await connection.db.collection('licences').findOne())?.revision;
    assert.equal(await whole(1, [0, 1], ['db']), true);
    const before = await claims();
    assert.equal(await whole(1, [0, 1], ['db']), true);
    assert.equal(await claims(), before);
    assert.match((await store.licences.refusal([place(2)])) ?? '', /all 2 of db are in use/);
    assert.equal(await store.licences.refusal([place(1_000)]), undefined);
  });
  const place = (n: number) => ({
    ...{ veeId: veeId(n), hostId: hostId(2), cpuMillis: 1, licences: ['db'] },
  });

  it('says on which hosts licences are taken, and of others no more', async () => {
    await store.licences.set({ name: 'db', count: 2, per: 'vee' });
    const marked = async () => (await store.hosts.all()).map((h) => h.licensed);
    await take(0, 1, needOf(1, 0), ['db']);
    await take(0, 2, needOf(1, 0), ['db']);
    await take(1, 3, needOf(1, 0));
    const needs = new Map([[hostId(2), new Map([[veeId(4) as string, needOf(1, 0)]])]]);
    const elsewhere = new Map([['another', ['db']]]);
    await store.hosts.reserveAll(operationId(4), needs, 1, {
      ...{ tenantId: 't' as TenantId, licences: elsewhere },
    });
    assert.deepEqual(await marked(), [['db'], undefined, undefined]);
    await store.hosts.release(hostId(0), veeId(1));
    assert.deepEqual(await marked(), [['db'], undefined, undefined]);
    await store.hosts.releaseAll([veeId(2)]);
    assert.deepEqual(await marked(), [undefined, undefined, undefined]);
  });

  it('is taken on a hundred hosts while their heartbeats come', async () => {
    const many = Array.from({ length: 100 }, (_, n) => n);
    for (const n of many) await join(n, has[0] as Capacity);
    await store.licences.set({ name: 'db', count: 100, per: 'host' });
    let over = false;
    const beat = async (n: number) => {
      while (!over) {
        await store.hosts.heartbeat(hostId(n), 'a' as AgentId, [], 2, 2);
        await new Promise((done) => setTimeout(done, 500));
      }
    };
    const beats = many.map(beat);
    const began = Date.now();
    const taken = await whole(1, many, ['db']);
    over = true;
    await Promise.all(beats);
    assert.equal(taken, true);
    assert.ok(Date.now() - began < 10_000, `${Date.now() - began} ms`);
    assert.equal(await heldOf(1), 100);
  });

  it('has room on hosts whose documents know of no devices yet', async () => {
    await join(0, has[2] as Capacity);
    assert.equal(await take(0, 0, needOf(10, 1)), false);
    assert.equal(await take(0, 0, needOf(10, 0)), true);
    await store.hosts.releaseAll([veeId(0)]);
    assert.equal((await store.hosts.get(hostId(0)))?.reserved.devices, undefined);
    await join(0, has[0] as Capacity);
    assert.equal(await take(0, 0, needOf(10, 1)), true);
    assert.equal(await store.hosts.adjust(hostId(0), veeId(0), needOf(10, 4), 1), false);
    assert.equal(await store.hosts.adjust(hostId(0), veeId(0), needOf(10, 3), 1), true);
    assert.equal(await store.hosts.adjust(hostId(0), veeId(0), needOf(10, 0), 1), true);
    await assertSound();
  });

  it('tells the watch of those that are lost, and of those where something has ended, by way of an index', async () => {
    assert.deepEqual(await store.hosts.withExited(), []);
    assert.deepEqual(await store.hosts.lost(), []);
    const report = (n: number, state: 'ACTIVE' | 'EXITED') => ({ veeId: veeId(n), epoch: 1, state });
    await store.hosts.heartbeat(hostId(0), 'a' as AgentId, [report(0, 'ACTIVE'), report(1, 'EXITED')], 9, 8);
    await store.hosts.heartbeat(hostId(1), 'a' as AgentId, [report(2, 'ACTIVE')], 9, 8);
    assert.deepEqual(await store.hosts.withExited(), [
      { id: hostId(0), reported: [report(0, 'ACTIVE'), report(1, 'EXITED')], reportedAt: 8 },
    ]);
    const hosts = connection.db.collection('hosts');
    const plan = await hosts.find({ 'reported.state': 'EXITED' }).explain('queryPlanner');
    assert.match(JSON.stringify(plan.queryPlanner.winningPlan), /"indexName":"with_exited"/);

    await store.hosts.heartbeat(hostId(0), 'a' as AgentId, [report(0, 'ACTIVE')], 10, 10);
    assert.deepEqual(await store.hosts.withExited(), []);
    // The third has said nothing since it joined.
    await store.hosts.markSilent(9, 0, { suspectAfterMillis: 4, lostAfterMillis: 4 });
    const lost = await store.hosts.lost();
    assert.deepEqual(
      lost.map((h) => [h.id, h.liveness, h.lastHeartbeatAt < 9]),
      [[hostId(2), 'lost', true]],
    );
  });
});
