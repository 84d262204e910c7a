import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { attach } from '../../../activities/attach';
import type { NetworkId, ServiceId, TenantId, VeeId } from '../../../domain/ids';
import { checkManifest } from '../../../domain/manifest/parse';
import type { Manifest } from '../../../domain/manifest/schema';
import {
  CLOSING_MILLIS,
  COOL_DOWN_MILLIS,
  networkIdOf,
  type SiteNetwork,
} from '../../../domain/network/model';
import type { VeeTemplate } from '../../../domain/vee/vee';
import { connectStore, type StoreConnection } from '../../../store/connect';
import { ensureIndexes } from '../../../store/indexes';
import { createStore } from '../../../store/store';

const NOW = 10_000_000;
const tenantId = 'acme' as TenantId;
const serviceId = 'svc-1' as ServiceId;
const lab: SiteNetwork = {
  ...{ id: 'net-lab' as NetworkId, kind: 'site', name: 'lab', vni: 0, mtu: 1_450, sharedWith: null },
  ...{ ipv4: '192.168.40.0/27', createdAt: NOW, generation: 1 },
};
const manifestOf = (components: Record<string, number>, networks: unknown[] = [{ name: 'lan' }]): Manifest =>
  checkManifest({
    ...{ apiVersion: 'sluice/v1', kind: 'Service', name: 'shop', networks },
    components: Object.entries(components).map(([name, max]) => ({
      ...{ name, image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } },
      ...{ networks: ['lan'], instances: { min: 0, initial: 0, max } },
    })),
  });

describe('networks', () => {
  let connection: StoreConnection;
  let store: ReturnType<typeof createStore>;
  before(async () => {
    connection = await connectStore(process.env.MONGODB_URI ?? '', `networks-${process.pid}`);
    await ensureIndexes(connection.db);
    store = createStore(connection);
  });
  beforeEach(async () => {
    for (const name of ['networks', 'networkLeases', 'removedNetworks', 'manifests'])
      await connection.db.collection(name).deleteMany({});
  });
  after(async () => {
    await connection.db.dropDatabase();
    await connection.close();
  });

  /** So many of a component, by one manifest while another is in force. */
  async function come(
    component: string,
    count: number,
    manifest: Manifest,
    {
      now = NOW,
      inForce = manifest,
      service = serviceId,
      perTenant,
    }: { now?: number; inForce?: Manifest; service?: ServiceId; perTenant?: number } = {},
  ) {
    // Kept by content, as manifests are: what is there already stays.
    const manifestDigest = JSON.stringify(inForce);
    await store.services.putManifest(manifestDigest, inForce);
    const declared = manifest.networks?.[0]?.site ? { name: 'lan', site: 'lab' } : { name: 'lan' };
    const vees = Array.from({ length: count }, (_, i) => ({
      veeId: `${service}-${component}-${i}` as VeeId,
      component,
      template: { networks: [declared] } as unknown as VeeTemplate,
    }));
    const networkPool = { subnet: '10.128.0.0/16', perTenant };
    const owner = { id: service, tenantId, manifestDigest };
    await attach({ store, now: () => now, networkPool }, owner, manifest, vees);
    return vees.map((v) => v.veeId);
  }
  const blocks = async () => {
    const network = await store.networks.get(networkIdOf(serviceId, { name: 'lan' }));
    return network?.kind === 'service' ? network.blocks.map((b) => [b.component, b.from, b.to]) : [];
  };
  const onLab = manifestOf({ app: 3 }, [{ name: 'lan', site: 'lab' }]);

  it('let those come who have room, whatever another component may become', async () => {
    await come('app', 2, manifestOf({ app: 3, db: 3 }));
    const grown = manifestOf({ app: 100, db: 3 });
    await come('app', 16, grown);
    await come('db', 3, grown);
    await assert.rejects(come('app', 17, grown), { code: 'network-full' });
  });

  it('give the block of a component that is no more to another, once nothing of it is left', async () => {
    const first = manifestOf({ app: 3, old: 60 });
    const then = manifestOf({ app: 3, new: 190 });
    const gone = await come('old', 1, first);
    const has = async (...names: string[]) =>
      assert.deepEqual(
        (await blocks()).map(([name]) => name),
        names,
      );
    await store.addresses.release(gone, NOW);
    const resting = await store.addresses.componentsOn(networkIdOf(serviceId, { name: 'lan' }));
    assert.deepEqual(resting, ['old']);
    await assert.rejects(come('new', 1, then, { inForce: first }), { code: 'network-full' });
    await has('app', 'old');
    // It rests no longer, but the manifest in force has it: whoever is made by that would want it.
    const now = NOW + COOL_DOWN_MILLIS;
    await come('app', 1, then, { now });
    await assert.rejects(come('new', 1, then, { now, inForce: first }), { code: 'network-full' });
    await come('new', 1, then, { now });
    await has('app', 'new');
  });

  it('leave some of the pool to others', async () => {
    const services = ['svc-1', 'svc-2', 'svc-3'] as ServiceId[];
    const [one, two, three] = services.map(
      (service) => () => come('app', 1, manifestOf({ app: 3 }), { service, perTenant: 2 }),
    );
    await one?.();
    await two?.();
    await assert.rejects(async () => three?.(), { code: 'network-full' });
    await one?.();
  });

  it('are apart from those of the site that the same service is on', async () => {
    await store.networks.create({ ...lab, ipv4: '10.128.0.0/23' });
    await come('app', 1, manifestOf({ app: 3 }, [{ name: 'lan' }, { name: 'dc', site: 'lab' }]));
    const network = await store.networks.get(networkIdOf(serviceId, { name: 'lan' }));
    assert.equal(network?.ipv4, '10.128.2.0/24');
  });

  it('of the site are removed once by many who ask, and never under a VEE', async () => {
    for (let round = 0; round < 10; round++) {
      const id = `net-${round}` as NetworkId;
      const network = await store.networks.create({ ...lab, id });
      const [joined, ...used] = await Promise.allSettled([
        come('app', 1, onLab, { service: `svc-${round}` as ServiceId }),
        ...['a', 'b', 'c'].map((by) => store.networks.remove(network, `${by}-${round}`, NOW)),
      ]);
      const held = await store.addresses.countHeld(id);
      const there = await store.networks.get(id);
      assert.equal(joined.status === 'fulfilled', held === 1);
      if (held > 0) assert.ok(there?.kind === 'site' && there.closing === undefined);
      for (const u of used) assert.equal(u.status, 'fulfilled');
      await store.addresses.release([`svc-${round}-app-0` as VeeId], NOW);
      await store.networks.remove(network, 'last', NOW);
      assert.equal(await store.networks.get(id), undefined);
    }
  });

  it('of the site open again when their remover has died, which finds that if it has not', async () => {
    const network = await store.networks.create(lab);
    const closing = { by: 'dead', at: NOW };
    await connection.db.collection('networks').updateOne({ siteName: 'lab' }, { $set: { closing } });
    await assert.rejects(come('app', 1, onLab, { now: NOW + CLOSING_MILLIS - 1 }), {
      code: 'network-unknown',
    });
    await come('app', 1, onLab, { now: NOW + CLOSING_MILLIS });
    assert.equal(await store.networks.remove(network, 'dead', NOW), 1);
    const open = await store.networks.get(lab.id);
    assert.ok(open?.kind === 'site' && open.closing === undefined);
  });

  it('that were removed are known by the request, so that its repeat has the same answer', async () => {
    const network = await store.networks.create(lab);
    assert.equal(await store.networks.removedBy('op-1'), undefined);
    await store.networks.remove(network, 'op-1', NOW);
    assert.equal(await store.networks.remove(network, 'op-1', NOW), 0);
    assert.deepEqual(await store.networks.removedBy('op-1'), network);
  });
});
