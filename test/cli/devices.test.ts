import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

const capacity = { cpuMillis: 8_000, memoryMiB: 8_192, diskMiB: 100_000, bandwidthKbps: 1_000_000 };
const agents = [
  {
    id: 'agent',
    hosts: [
      { id: 'host-1', driver: 'simulator', capacity },
      { id: 'host-2', driver: 'simulator', capacity, devices: { gpu: 2 } },
    ],
  },
];
const component = {
  ...{ name: 'train', image: 'busybox', licences: ['solver'] },
  capacity: { cpuMillis: 100, memoryMiB: 64, devices: { gpu: 1 } },
  instances: { min: 1, initial: 1, max: 3 },
};
const serviceOf = (name: string, licences: string[]) =>
  manifestOf(name, { components: [{ ...component, licences }], topology: {} });

describe('devices and licences', () => {
  let site: TestSite;
  let folder: string;

  beforeAll(async () => {
    site = await TestSite.start({ agents });
    folder = await mkdtemp(join(tmpdir(), 'sluice-devices-'));
    await writeFile(file('shop'), JSON.stringify(serviceOf('shop', ['solver'])));
    const wrong = { ...component, licences: [], capacity: { ...component.capacity, devices: { gpuu: 1 } } };
    const misspelt = manifestOf('misspelt', { components: [wrong], topology: {} });
    await writeFile(file('misspelt'), JSON.stringify(misspelt));
    await writeFile(file('other'), JSON.stringify(serviceOf('other', ['solver'])));
  });
  afterAll(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** In a process of its own, as in second-operator.ts. */
  async function leaveReserved(host: string): Promise<void> {
    const connect = JSON.stringify(join(process.cwd(), 'dist', 'store', 'connect.js'));
    const script = `
      const { connectStore } = require(${connect});
      connectStore(process.env.MONGODB_URI, ${JSON.stringify(site.system.options.database)}).then(async (store) => {
        await store.db.collection('hosts').updateOne({ _id: '${host}' }, { $inc: { 'reserved.devices.gpu': 1 } });
        await store.close();
      });`;
    await promisify(execFile)(process.execPath, ['-e', script]);
  }

  const file = (name: string) => join(folder, `${name}.yaml`);
  const run = cliOf(
    () => site,
    () => folder,
  );

  it('are given out in whole numbers, and no more of them than there are', async () => {
    expect((await run('get', 'hosts')).out).toMatch(/MEMORY MIB\s+DEVICES\s+VEES[\s\S]*host-2.*gpu 0\/2/);
    const unknown = await run('plan', '-f', file('shop'), '--tenant', 'acme');
    expect(unknown).toMatchObject({
      code: 2,
      err: expect.stringContaining('the site has no licence "solver"'),
    });
    expect((await run('licence', 'set', 'solver', '1')).out).toBe(
      '0 of 1 licences of solver are in use, one for each vee\n',
    );
    const size = ['capacity', '--cpu-millis', '100', '--memory-mib', '64', '--device', 'gpu=1'];
    const room = await run(...size);
    expect(room.out).toMatch(/^2 fit\./);
    expect(room.out).toMatch(/host-1\s+0\s+the host as a whole is too small\n\s*host-2\s+2\s+gpu/);

    await site.done(await site.apply(serviceOf('shop', ['solver'])));
    const [vee] = await site.all('/v1/vees');
    expect(vee).toMatchObject({ hostId: 'host-2', capacity: { devices: { gpu: 1 } } });
    expect((await site.get('/v1/hosts/host-2')).body).toMatchObject({
      reserved: { devices: { gpu: 1 } },
      free: { devices: { gpu: 1 } },
    });
    expect((await run('licence', 'list')).out).toMatch(/solver\s+1\s+vee\s+1\s+1/);

    const misspelt = await run('plan', '-f', file('misspelt'), '--tenant', 'acme');
    expect(misspelt).toMatchObject({
      ...{ code: 6, out: expect.stringContaining('no host of the site has a device gpuu; there are: gpu') },
    });
    // As a release leaves it that knows of no devices.
    await leaveReserved('host-2');
    await site.done(await site.post('/v1/reconcile', {}));
    expect((await site.get('/v1/hosts/host-2')).body).toMatchObject({ reserved: { devices: { gpu: 1 } } });

    const second = await run('plan', '-f', file('other'), '--tenant', 'acme');
    expect(second).toMatchObject({ code: 6, out: expect.stringContaining('all 1 of solver are in use') });
    expect(second.out).toContain('with 1 more licence of solver');
    expect(await run('licence', 'remove', 'solver')).toMatchObject({
      ...{ code: 5, err: expect.stringContaining('1 of solver is in use: shop/train/0 on host-2') },
    });
    // Two ask for the last device at once: one gets it.
    const both = await Promise.all(['left', 'right'].map((name) => site.apply(serviceOf(name, []))));
    const ended = await Promise.all(both.map((r) => site.ended(r.body.id)));
    expect(ended.map((o) => o.state).sort()).toEqual(['completed', 'undone']);

    // By core: what grows would take another one.
    await run('licence', 'set', 'solver', '1', '--per', 'core');
    const grown = await site.post(`/v1/vees/${vee?.id}/resize?dryRun=true`, { cpuMillis: 1_500 });
    expect(grown.body).toMatchObject({ feasible: false, why: 'Of its licences all 1 of solver are in use.' });
    const larger = { ...component, capacity: { ...component.capacity, cpuMillis: 1_500 } };
    await writeFile(
      file('grown'),
      JSON.stringify(manifestOf('shop', { components: [larger], topology: {} })),
    );
    const recomposed = await run('plan', '-f', file('grown'), '--tenant', 'acme');
    expect(recomposed).toMatchObject({ code: 6, out: expect.stringContaining('all 1 of solver are in use') });

    await site.clean();
    expect((await site.delete('/v1/licences/solver')).status).toBe(200);
    expect((await site.get('/v1/invariants')).body).toMatchObject({ violations: [] });
  }, 60_000);
});
