import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { HostId } from '../../domain/ids';
import type { DriverConfig } from '../../drivers/contract';
import { loadExternal } from '../../drivers/external';
import { kit } from '../../drivers/kit';
import { createDriver } from '../../drivers/registry';
import { specFor } from '../support/specs';
import { contractSuite } from './contract-suite';

const EXAMPLE = resolve('examples/drivers/process');

contractSuite({
  name: 'process',
  create: (hostId, dataDir) => createDriver(EXAMPLE, { hostId, dataDir, devices: { gpu: 2 } }),
  template: { image: 'host' },
});

describe('a driver in a package of its own', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-external-'));
    await mkdir(join(folder, 'node_modules', '@acme'), { recursive: true });
    await symlink(EXAMPLE, join(folder, 'node_modules', '@acme', 'sluice-driver-process'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const config = () => ({ hostId: 'h' as HostId, dataDir: join(folder, 'data') });
  const load = (name: string) => loadExternal(name, config(), folder);
  const put = (name: string, text: string) => writeFile(join(folder, name), text);
  const example = (changes: string) =>
    `const { contract, createDriver } = require(${JSON.stringify(EXAMPLE)});
     const changed = (c, k) => createDriver(c, k).then((d) => { const print = d.fingerprint.bind(d); ${changes}; return d; });
     module.exports = { contract, createDriver: changed };`;

  it('is found by its name from the folder of drivers, and by a path', async () => {
    for (const name of [
      'npm:@acme/sluice-driver-process',
      EXAMPLE,
      './node_modules/@acme/sluice-driver-process',
    ])
      expect(await load(name)).toMatchObject({ name: 'process' });
  });

  it('is told in its guide of all that it is given', async () => {
    const guide = await readFile('docs/guides/write-a-driver.md', 'utf8');
    const fields: Record<keyof DriverConfig, true> = {
      ...{ hostId: true, dataDir: true, capacity: true, reserve: true, devices: true, identity: true },
      ...{ network: true, names: true, images: true, transferAddress: true },
    };
    const told = (name: string) => new RegExp(`[\x60.]${name}\\b`).test(guide);
    expect([...Object.keys(kit), ...Object.keys(fields)].filter((name) => !told(name))).toEqual([]);
  });

  it('may be an ES module', async () => {
    await put(
      'module.mjs',
      `import { createRequire } from 'node:module';
      const { contract, createDriver } = createRequire(import.meta.url)(${JSON.stringify(EXAMPLE)});
      export default { contract, createDriver };`,
    );
    const program = `
      const { loadExternal } = require(${JSON.stringify(resolve('dist/drivers/external.js'))});
      loadExternal('./module.mjs', ${JSON.stringify(config())}, ${JSON.stringify(folder)}).then((d) => console.log(d.name));`;
    const { run } = await import('../../drivers/lib/program');
    // Not within Jest, which loads modules in a way of its own.
    expect((await run([process.execPath, '-e', program])).stdout.trim()).toBe('process');
  });

  it('runs what it is told, with its environment, and finds it again', async () => {
    const driver = await load(EXAMPLE);
    const spec = specFor(`vee-external-${process.pid}`, {
      image: 'host',
      command: ['/bin/sh', '-c', 'echo "$WHO; $(id)" > told; exec sleep 60', 'it’s'],
      environment: { WHO: '${self.name}' },
      readiness: { kind: 'exec', command: ['test', '-s', 'told'], periodMillis: 100, timeoutMillis: 1_000 },
    });
    await driver.define(spec);
    await driver.start(spec);
    try {
      for (let i = 0; i < 100 && !(await driver.inspect(spec.veeId))?.ready; i++)
        await new Promise((r) => setTimeout(r, 20));
      const again = await load(EXAMPLE);
      expect(await again.inspect(spec.veeId)).toMatchObject({ state: 'ACTIVE', ready: true });
      expect(await readFile(join(folder, 'data', 'vees', spec.veeId, 'told'), 'utf8')).toMatch(
        /^app-0; uid=/,
      );
      expect((await again.measure([spec.veeId]))?.vees.get(spec.veeId)?.memoryMiB).toBeGreaterThan(0);
    } finally {
      await driver.destroy({ ...spec, epoch: 9 });
    }
  });

  it.each([
    ['nowhere', './nowhere.js', undefined, /is not found from/],
    ['broken', './broken.js', 'throw new Error("no such luck")', /can't be loaded \(no such luck\)/],
    ['empty', './empty.js', '', /exports no function createDriver/],
    ['old', './old.js', 'exports.contract = 0; exports.createDriver = async () => ({})', /contract 0.*has 1/],
    [
      'bare',
      './bare.js',
      'exports.contract = 1; exports.createDriver = async () => ({})',
      /has no fingerprint, define/,
    ],
    ['half', './half.js', example('d.exec = undefined'), /it has no exec\./],
    [
      'boastful',
      './boastful.js',
      example('d.fingerprint = async () => ({ ...(await print()), capacity: {} })'),
      /capacity/,
    ],
    [
      'two-faced',
      './two-faced.js',
      example('d.fingerprint = async () => ({ ...(await print()), driver: "other" })'),
      /is called process.*says other/,
    ],
  ])('is refused at its load when it is %s', async (_, name, text, why) => {
    if (text !== undefined) await put(name, text);
    await expect(load(name)).rejects.toMatchObject({
      code: 'request-invalid',
      message: expect.stringMatching(why),
    });
  });

  it.each([
    ['driver: "Bad Name!"', /at driver/],
    ['images: ["x".repeat(500)]', /at images\[0\]/],
    ['attributes: { why: "x".repeat(5_000) }', /at attributes\.why/],
    ['physical: { cpuMillis: 0.5, memoryMiB: 1 }', /at physical\.cpuMillis/],
    ['description: ""', /at description/],
  ])('is refused at its load when no site would take of it that %s', async (change, why) => {
    await put(
      `odd-${change.length}.js`,
      example(`d.fingerprint = async () => ({ ...(await print()), ${change} })`),
    );
    await expect(load(`./odd-${change.length}.js`)).rejects.toThrow(why);
  });

  it.each(['npm:', 'npm:../x', 'nothing', 'toString', 'https://x'])(
    'is not what "%s" names',
    async (name) => {
      await expect(createDriver(name, config())).rejects.toMatchObject({ code: 'request-invalid' });
    },
  );
});
