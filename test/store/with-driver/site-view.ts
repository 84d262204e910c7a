import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type {
  AgentId,
  HostId,
  LeaseId,
  OperationId,
  ServiceId,
  SiteId,
  TenantId,
  VeeId,
} from '../../../domain/ids';
import { add, type Capacity } from '../../../domain/units';
import type { VeeRecord } from '../../../domain/vee/vee';
import { connectStore, type StoreConnection } from '../../../store/connect';
import { ensureIndexes } from '../../../store/indexes';
import { createStore } from '../../../store/store';
import type { VeeFilter } from '../../../store/vees';

const HOSTS = 5;
const VEES = 12;
const NEED: Capacity = { cpuMillis: 10, memoryMiB: 20, diskMiB: 30, bandwidthKbps: 0 };
const CAPACITY: Capacity = { cpuMillis: 1_000, memoryMiB: 1_000, diskMiB: 1_000, bandwidthKbps: 1_000 };
const hostId = (n: number) => `host-${n}` as HostId;
const veeId = (n: number) => `vee-${n}` as VeeId;
const operationId = (n: number) => `op-${n}` as OperationId;

/** Everything that changes what a planner sees, and what changes nothing about it. */
const change = fc.oneof(
  fc.record({ kind: fc.constant('join' as const), host: fc.nat(HOSTS - 1), zone: fc.constantFrom('a', 'b') }),
  fc.record({ kind: fc.constant('heartbeat' as const), host: fc.nat(HOSTS - 1) }),
  fc.record({ kind: fc.constant('cordon' as const), host: fc.nat(HOSTS - 1), on: fc.boolean() }),
  fc.record({ kind: fc.constant('reserve' as const), host: fc.nat(HOSTS - 1), vee: fc.nat(VEES - 1) }),
  fc.record({ kind: fc.constant('release' as const), host: fc.nat(HOSTS - 1), vee: fc.nat(VEES - 1) }),
  fc.record({ kind: fc.constant('define' as const), host: fc.nat(HOSTS - 1), vee: fc.nat(VEES - 1) }),
  fc.record({ kind: fc.constant('move' as const), host: fc.nat(HOSTS - 1), vee: fc.nat(VEES - 1) }),
  fc.record({ kind: fc.constant('destroy' as const), vee: fc.nat(VEES - 1) }),
  fc.record({ kind: fc.constant('resize' as const), vee: fc.nat(VEES - 1), cpu: fc.nat(9) }),
  fc.record({ kind: fc.constant('transition' as const), vee: fc.nat(VEES - 1) }),
  fc.record({ kind: fc.constant('promise' as const), host: fc.nat(HOSTS - 1), until: fc.nat(9) }),
  fc.record({ kind: fc.constant('withdraw' as const) }),
  fc.record({ kind: fc.constant('end' as const), host: fc.nat(HOSTS - 1), vee: fc.nat(VEES - 1) }),
  fc.record({ kind: fc.constant('silence' as const) }),
);
type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;

describe('what a large site is told of', () => {
  let connection: StoreConnection;
  before(async () => {
    connection = await connectStore(process.env.MONGODB_URI ?? '', `view-${process.pid}`);
    await ensureIndexes(connection.db);
  });
  after(async () => {
    await connection.db.dropDatabase();
    await connection.close();
  });

  const following = (told: string[] = []) =>
    createStore(connection, { largeFrom: 0, tell: (why) => told.push(why) });
  const reading = () => createStore(connection);

  async function make(store: ReturnType<typeof createStore>, change: Change): Promise<void> {
    const vees = connection.db.collection<{ _id: string }>('vees');
    switch (change.kind) {
      case 'join':
        return store.hosts.join(
          {
            ...{ id: hostId(change.host), siteId: 'home' as SiteId, agentId: 'a' as AgentId },
            ...{ zone: change.zone, labels: { zone: change.zone } },
            fingerprint: {
              ...{ driver: 'simulator', description: '', real: false, images: ['i'], attributes: {} },
              ...{ capacity: add(CAPACITY, NEED), capabilities: { migration: 'live' } as never },
            },
          },
          1,
        );
      case 'heartbeat':
        await store.hosts.heartbeat(
          hostId(change.host),
          'a' as AgentId,
          [{ veeId: 'x', epoch: 1, state: 'ACTIVE' }],
          Math.random() * 1e9,
          1,
        );
        return;
      case 'cordon':
        return store.hosts.setCordoned(hostId(change.host), change.on);
      case 'reserve':
        await store.hosts.reserve(
          hostId(change.host),
          operationId(change.vee),
          new Map([[veeId(change.vee), NEED]]),
          1,
          { tenantId: 't' as TenantId },
        );
        return;
      case 'release':
        return store.hosts.releaseAll([veeId(change.vee)], { hostId: hostId(change.host) });
      case 'define':
        return store.vees.define([
          {
            ...{ id: veeId(change.vee), tenantId: 't' as TenantId, serviceId: 's' as ServiceId },
            ...{
              component: 'app',
              index: change.vee,
              hostId: hostId(change.host),
              epoch: 1,
              state: 'ACTIVE',
              template: { image: 'i', capacity: NEED },
            },
          } as unknown as VeeRecord,
        ]);
      case 'move':
        await vees.updateOne({ _id: veeId(change.vee) }, { $set: { hostId: hostId(change.host) } });
        return;
      case 'destroy':
        await vees.updateOne({ _id: veeId(change.vee) }, { $set: { state: 'DESTROYED' } });
        return;
      case 'resize':
        await vees.updateOne(
          { _id: veeId(change.vee) },
          { $set: { 'template.capacity.cpuMillis': change.cpu } },
        );
        return;
      case 'transition':
        await vees.updateOne({ _id: veeId(change.vee) }, { $set: { transition: { verb: 'pause' } } });
        return;
      case 'promise': {
        const promised = { leaseId: 'rsv-1' as LeaseId, tenantId: 't' as TenantId, name: 'r', amount: NEED };
        await store.hosts.promise(hostId(change.host), { ...promised, from: 1, until: 5 + change.until }, 1);
        return;
      }
      case 'withdraw':
        return store.hosts.withdraw('rsv-1' as LeaseId);
      case 'end':
        await store.hosts.setFreeAt(hostId(change.host), [veeId(change.vee)], 7, 1);
        return;
      case 'silence':
        await store.hosts.markSilent(Date.now(), 0, { suspectAfterMillis: 0, lostAfterMillis: 1e12 });
    }
  }

  it('is what would be read, after any change and at once', async () => {
    const [view, whole, told] = [following(), reading(), [] as string[]];
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), async (changes) => {
        for (const one of changes) {
          await make(whole, one);
          assert.deepEqual(await view.contents.read(), await whole.contents.read());
        }
      }),
      { numRuns: 30, endOnFailure: true },
    );
    assert.deepEqual(told, []);
    const { hosts, vees } = await whole.contents.read();
    assert.ok(hosts.length > 0 && vees.length > 0);
    await view.contents.close();
  });

  it('never changes once it was given', async () => {
    const view = following();
    await make(view, { kind: 'join', host: 0, zone: 'a' });
    const earlier = await view.contents.read();
    const copy = structuredClone(earlier);
    await make(view, { kind: 'cordon', host: 0, on: !earlier.hosts[0]?.cordoned });
    const later = await view.contents.read();
    assert.deepEqual(earlier, copy);
    assert.notDeepEqual(later, copy);
    await view.contents.close();
  });

  it('reads nothing again for what says nothing about room', async () => {
    const view = following();
    await make(view, { kind: 'join', host: 0, zone: 'a' });
    const beat = (cpuMillis: number) =>
      view.hosts.heartbeat(hostId(0), 'a' as AgentId, [], 1, 1, { cpuMillis, memoryMiB: 0 });
    await beat(1);
    const earlier = await view.contents.read();
    assert.deepEqual(earlier, await reading().contents.read());
    assert.deepEqual(earlier.hosts.find((h) => h.id === hostId(0))?.measured, {
      ...{ cpuMillis: 1, memoryMiB: 0 },
    });
    await make(view, { kind: 'heartbeat', host: 0 });
    await beat(2);
    // The very same objects: they were not even read anew.
    assert.equal((await view.contents.read()).hosts, earlier.hosts);
    await view.contents.close();
  });

  it('has what is reserved now in what it counts as in use, however old the loads are', async () => {
    const view = following();
    const load = { cpuMillis: 1, memoryMiB: 2, accounted: { cpuMillis: 0, memoryMiB: 0 } };
    await make(view, { kind: 'join', host: 4, zone: 'a' });
    await make(view, { kind: 'cordon', host: 4, on: false });
    await view.hosts.heartbeat(hostId(4), 'a' as AgentId, [], 1, 1, load);
    const measured = async () => {
      const host = (await view.contents.read()).hosts.find((h) => h.id === hostId(4));
      return { reserved: host?.reserved.cpuMillis ?? 0, counted: host?.measured?.cpuMillis ?? 0 };
    };
    const before = await measured();
    assert.equal(before.counted, before.reserved + 1);
    await make(view, { kind: 'release', host: 4, vee: 9 });
    await make(view, { kind: 'reserve', host: 4, vee: 9 });
    const then = await measured();
    assert.ok(then.reserved > 0);
    assert.equal(then.counted, then.reserved + 1);
    await make(view, { kind: 'release', host: 4, vee: 9 });
    await view.contents.close();
  });

  it('keeps for a minute what was measured, and tells copies of a VEE apart', async () => {
    const { hosts } = reading();
    await make(reading(), { kind: 'join', host: 3, zone: 'a' });
    const beat = (now: number, epoch?: number) =>
      hosts.heartbeat(
        hostId(3),
        'a' as AgentId,
        epoch ? [{ veeId: 'copied', epoch, state: 'ACTIVE', used: { cpuMillis: epoch, memoryMiB: 0 } }] : [],
        now,
        now,
        epoch ? { cpuMillis: 5, memoryMiB: 5 } : undefined,
      );
    const load = async () => (await hosts.loads()).get(hostId(3))?.cpuMillis;
    await beat(1_000, 7);
    assert.deepEqual([...(await hosts.usage())], [['copied@7', { cpuMillis: 7, memoryMiB: 0 }]]);
    await beat(2_000);
    await beat(60_000);
    assert.equal(await load(), 5);
    await beat(61_000);
    assert.equal(await load(), undefined);
  });

  it('lists by pages those that live, without those that are destroyed', async () => {
    const store = reading();
    for (const vee of [20, 21]) await make(store, { kind: 'define', host: 0, vee });
    await make(store, { kind: 'destroy', vee: 20 });
    const listed = async (filter: VeeFilter) =>
      (await store.vees.page(filter, { limit: 100 })).items.map((v) => v.id);
    assert.ok((await listed({})).includes(veeId(20)));
    assert.ok(!(await listed({ living: true })).includes(veeId(20)));
    assert.ok((await listed({ living: true })).includes(veeId(21)));
    assert.deepEqual(await listed({ living: true, state: 'DESTROYED' }), []);
  });

  it('is asked by several at once', async () => {
    const view = following();
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        await make(view, { kind: 'cordon', host: 0, on: n % 2 === 0 });
        return view.contents.read();
      }),
    );
    assert.equal(all.length, 20);
    assert.deepEqual(await view.contents.read(), await reading().contents.read());
    await view.contents.close();
  });

  it('is read as a whole while the stream is broken, and says so', async () => {
    const told: string[] = [];
    const view = following(told);
    await make(view, { kind: 'join', host: 0, zone: 'a' });
    await view.contents.read();
    // Nothing less ends it: from all else the driver begins again by itself.
    await connection.db.dropDatabase();
    await ensureIndexes(connection.db);
    await make(view, { kind: 'join', host: 1, zone: 'b' });
    for (let n = 0; n < 50 && told.length === 0; n++) {
      assert.deepEqual(await view.contents.read(), await reading().contents.read());
      await delay(20);
    }
    assert.equal(told.length, 1);
    assert.deepEqual(await view.contents.read(), await reading().contents.read());
    await view.contents.close();
  });
});
