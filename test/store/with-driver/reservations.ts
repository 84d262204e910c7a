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
});
