import { execFile, execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { HostId } from '../../domain/ids';
import type { Driver, VeeRef, VeeSpec } from '../../drivers/contract';
import { startTimeOf } from '../../drivers/lib/process-identity';
import { contextOf } from '../../drivers/lib/vee-context';
import { VeeRecords } from '../../drivers/lib/vee-records';
import { createQemuDriver } from '../../drivers/qemu/driver';
import { guestObstacle, testGuest } from '../../drivers/qemu/guest/build';
import { Machines } from '../../drivers/qemu/machines';
import { qemuObstacle } from '../../drivers/qemu/probe';
import { specFor } from '../support/specs';
import { contractSuite } from './contract-suite';

const GUEST: Partial<VeeSpec['template']> = {
  image: 'sluice-guest',
  capacity: { cpuMillis: 200, memoryMiB: 112, diskMiB: 0, bandwidthKbps: 0 },
};
const open = (hostId: string, dataDir: string) =>
  createQemuDriver({ hostId: hostId as HostId, dataDir, accelerator: 'tcg', devices: { gpu: 2 } });

const missing = qemuObstacle()?.missing ?? guestObstacle();
if (missing) {
  // Counted as skipped in every run, and never on CI, which installs what is missing.
  it.skip(`real machines need ${missing}`, () => undefined);
} else {
  beforeAll(() => testGuest(), 120_000);

  contractSuite({ name: 'qemu', create: open, template: GUEST, resizedMemoryMiB: 104 });

  /** One guest goes through all of it, since each boot takes seconds. */
  describe('a real machine', () => {
    let folder: string;
    let here: Driver;
    let there: Driver;
    let vee: VeeSpec;
    let [hereDir, thereDir] = ['a', 'b'];

    beforeAll(async () => {
      // As deep as a data directory may be: no socket of a machine is reached by that path.
      folder = join(await mkdtemp(join(tmpdir(), 'sluice-qemu-')), 'long'.repeat(30));
      await mkdir(folder);
      [here, there] = [await open('a', join(folder, hereDir)), await open('b', join(folder, thereDir))];
      vee = specFor(`vee-real-${process.pid}`, {
        ...GUEST,
        capacity: { cpuMillis: 1_000, memoryMiB: 128, diskMiB: 48, bandwidthKbps: 0 },
        command: [
          '/bin/sh',
          '-c',
          'trap "echo bye; exit 7" TERM; echo "$0"; while :; do sleep 0.1; done',
          `it's "$(x)"; \\`,
        ],
        environment: { ODD: `a'b"c $(reboot) \\ \n;d` },
        context: {
          userData: '#!/bin/sh\necho ${self.name}\n',
          files: [{ path: '/etc/app/app.conf', content: `it's \${self.name}: $(reboot)\n`, mode: '0600' }],
          sshKeys: ['ssh-ed25519 AAAA me'],
        },
        readiness: {
          kind: 'exec',
          command: ['/bin/test', '-e', '/run/counter'],
          periodMillis: 100,
          timeoutMillis: 1,
        },
      });
      await here.define(vee);
      await here.start(vee);
    });
    afterAll(async () => {
      for (const driver of [here, there]) {
        for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 99 });
        await driver.close();
      }
      await rm(join(folder, '..'), { recursive: true, force: true });
    });

    const inside = async (ref: VeeRef, script: string, driver = here): Promise<string> =>
      (await driver.exec(ref, ['/bin/sh', '-c', script])).stdout.trim();
    /** Its file is empty for a moment, ten times a second. */
    const counter = async (ref: VeeRef, driver = here) =>
      Number(await inside(ref, 'until [ -n "$n" ]; do n=$(cat /run/counter); done; echo $n', driver));
    const stateOf = async (ref: VeeRef, driver = here) => (await driver.inspect(ref.veeId, false))?.state;

    /** Another agent on that folder, which kills itself by `die`. */
    const dies = (host: string, does: string) => {
      const config = { hostId: host, dataDir: join(folder, host), accelerator: 'tcg' };
      const program = `
        const { createQemuDriver } = require(${JSON.stringify(join(process.cwd(), 'dist/drivers/qemu/driver'))});
        const die = () => process.kill(process.pid, 'SIGKILL');
        createQemuDriver(${JSON.stringify(config)}).then(async (d) => { ${does} });`;
      return expect(promisify(execFile)(process.execPath, ['-e', program])).rejects.toMatchObject({
        signal: 'SIGKILL',
      });
    };

    it('boots, tells when it is ready, and gives its command every character of its environment', async () => {
      expect(await here.fingerprint()).toMatchObject({ real: true, attributes: { accelerator: 'tcg' } });
      for (let i = 0; i < 300 && !(await here.inspect(vee.veeId))?.ready; i++) await delay(100);
      expect(await here.inspect(vee.veeId)).toMatchObject({ state: 'ACTIVE', ready: true });
      expect(await inside(vee, 'printf %s "$ODD"; hostname')).toBe(`a'b"c $(reboot) \\ \n;dapp-0`);
      expect(await here.exec(vee, ['/bin/sh', '-c', 'exit 3'])).toEqual({ exitCode: 3, stdout: '' });
      expect((await here.exec(vee, ['/no/such/program'])).exitCode).toBe(127);
      expect((await here.logs(vee.veeId, 10)).join('\n')).toContain(`it's "$(x)"; \\`);
    });

    it('is told who it is, by its firmware and by a disk as cloud-init reads it', async () => {
      expect(await inside(vee, 'cat /etc/app/app.conf /run/sluice/*; stat -c %a /etc/app/app.conf')).toBe(
        [
          "it's app-0: $(reboot)",
          ...['ssh-ed25519 AAAA me', '#!/bin/sh', 'echo app-0'],
          `${JSON.stringify(contextOf(vee).identity)}600`,
        ].join('\n'),
      );
      const seed = await inside(
        vee,
        'mkdir /run/seed; mount -o ro /dev/vdb /run/seed; cat /run/seed/meta-data',
      );
      expect(JSON.parse(seed)).toMatchObject({
        ...{ 'instance-id': vee.veeId, 'local-hostname': 'app-0', 'public-keys': ['ssh-ed25519 AAAA me'] },
        sluice: { tenantId: 'acme', component: 'app', index: 0 },
      });
      const parts = (await inside(vee, 'cat /run/seed/user-data')).split(/--sluice-part-\w+/);
      const texts = parts.map((p) => Buffer.from(p.split('\n\n')[1] ?? '', 'base64').toString());
      expect(JSON.parse((texts[1] ?? '').replace('#cloud-config\n', ''))).toMatchObject({
        write_files: [{ path: '/etc/app/app.conf', permissions: '0600', encoding: 'b64' }],
      });
      expect(texts[2]).toBe('#!/bin/sh\necho app-0\n');
    });

    it('measures what its process takes', async () => {
      const [before, began] = [(await here.measure([vee.veeId]))?.vees.get(vee.veeId), performance.now()];
      await inside(vee, 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done');
      const after = (await here.measure([vee.veeId]))?.vees.get(vee.veeId);
      const cores =
        ((after?.cpuMicros ?? 0) - (before?.cpuMicros ?? 0)) / (performance.now() - began) / 1_000;
      expect(cores).toBeGreaterThan(0.05);
      expect(after?.memoryMiB).toBeGreaterThan(64);
    });

    it('grows while it runs: memory, a vCPU and its disk; and says what can only be done when it is stopped', async () => {
      const larger = { ...vee.template.capacity, cpuMillis: 1_500, memoryMiB: 192, diskMiB: 64 };
      await here.resize(vee, larger);
      await here.resize(vee, larger);
      const seen = await inside(
        vee,
        "nproc; cat /sys/block/vda/size; awk '/MemTotal/ {print ($2 > 120000 && $2 < 190000)}' /proc/meminfo",
      );
      expect(seen.split('\n')).toEqual(['2', String(64 * 2_048), '1']);
      for (const less of [{ cpuMillis: 500 }, { diskMiB: 32 }, { memoryMiB: 32 }, { memoryMiB: 4_096 }])
        await expect(here.resize(vee, { ...larger, ...less })).rejects.toMatchObject({
          code: 'driver-refused',
        });
      expect(await here.inspect(vee.veeId)).toMatchObject({ capacity: larger });
      vee = { ...vee, template: { ...vee.template, capacity: larger } };
    });

    it('keeps its memory through a suspension, and what was plugged in', async () => {
      const before = await counter(vee);
      await here.suspend(vee);
      expect((await here.inspect(vee.veeId))?.pid).toBeUndefined();
      await here.restore(vee);
      expect(await counter(vee)).toBeGreaterThanOrEqual(before);
      expect(await inside(vee, 'nproc')).toBe('2');
    });

    it('takes its memory and its disk along when it migrates, as it runs', async () => {
      const sum = 'echo 3 > /proc/sys/vm/drop_caches; md5sum /data/random';
      await inside(vee, 'head -c 1000000 /dev/urandom > /data/random; sync');
      const [sums, before] = [await inside(vee, sum), await counter(vee)];
      const target = { ...vee, epoch: 2 };
      await here.send(vee, await there.prepareTarget(target));
      // Neither writes now, so each byte of one is on the other.
      const disks = ['a', 'b'].map((host) => join(folder, host, 'vees', vee.veeId, 'disk.qcow2'));
      execFileSync('qemu-img', ['compare', '-q', '-U', '-f', 'qcow2', '-F', 'qcow2', ...disks]);
      await there.switchOver(target);
      await here.finish(target);
      vee = target;
      expect(await here.list()).toEqual([]);
      expect(await inside(vee, sum, there)).toBe(sums);
      expect(await counter(vee, there)).toBeGreaterThanOrEqual(before);
      const again = 'umount /run/seed; mount -o ro /dev/vdb /run/seed; cat /run/seed/meta-data';
      expect(await inside(vee, again, there)).toContain(`"instance-id":"${vee.veeId}"`);
      expect(await inside(vee, 'nproc', there)).toBe('2');
      await there.suspend(vee);
      await there.restore(vee);
      expect(await counter(vee, there)).toBeGreaterThan(before);
      expect((await there.logs(vee.veeId, 10)).join('\n')).toContain(`it's "$(x)"; \\`);
    });

    it('runs on where it was when its target dies, when it is cancelled on the way, and when it is not awaited', async () => {
      const before = await counter(vee, there);
      const target = { ...vee, epoch: vee.epoch + 1 };
      const fails = { code: 'driver-failed' };
      const offer = await here.prepareTarget(target);
      const dying = there.send(vee, offer);
      await until(async () => (await here.inspect(target.veeId, false))?.pid !== undefined);
      process.kill(await pidOf(here, target), 'SIGKILL');
      await expect(dying).rejects.toMatchObject(fails);

      const slow = there.send(vee, offer);
      await until(async () => (await here.inspect(target.veeId, false))?.pid !== undefined);
      await here.cancel(target, 'target');
      await expect(slow).rejects.toMatchObject(fails);
      await expect(there.send(vee, { ...offer, token: 'guessed' })).rejects.toMatchObject(fails);
      await there.cancel(vee, 'source');
      expect([await stateOf(vee, there), await stateOf(target)]).toEqual(['ACTIVE', undefined]);
      expect(await counter(vee, there)).toBeGreaterThan(before);
    });

    it('survives the death of the agent that sends it, on the way and just after', async () => {
      const target = { ...vee, epoch: 4 };
      const first = await here.prepareTarget(target);
      await there.close();
      await dies(thereDir, `d.send(${JSON.stringify(vee)}, ${JSON.stringify(first)}); setTimeout(die, 400);`);
      there = await open('host', join(folder, thereDir));
      await there.recover();
      await here.cancel(target, 'target');
      await there.cancel(vee, 'source');
      const before = await counter(vee, there);
      expect([await stateOf(vee, there), await stateOf(target)]).toEqual(['ACTIVE', undefined]);

      const again = { ...vee, epoch: 5 };
      const second = await here.prepareTarget(again);
      await there.close();
      await dies(thereDir, `await d.send(${JSON.stringify(vee)}, ${JSON.stringify(second)}); die();`);
      there = await open('host', join(folder, thereDir));
      await there.recover();
      const { pid } = (await here.inspect(again.veeId, false)) ?? {};
      await there.send(vee, second);
      await here.switchOver(again);
      await there.finish(again);
      expect(await here.inspect(again.veeId, false)).toMatchObject({ state: 'ACTIVE', pid });
      expect(await counter(again)).toBeGreaterThan(before);
      vee = again;
      [here, there] = [there, here];
      [hereDir, thereDir] = [thereDir, hereDir];
    });

    it('is found again when its agent is replaced, and when the connection is lost', async () => {
      const pid = await pidOf(there, vee);
      await there.close();
      const machines = new Machines(new VeeRecords(join(folder, thereDir)), 'none is begun');
      (await machines.qmp(vee.veeId)).close();
      expect(await machines.run(vee.veeId)).toEqual({ pid, status: 'running' });
      machines.close();

      there = await open('host', join(folder, thereDir));
      expect(await there.recover()).toEqual({ adopted: [vee.veeId], ended: [], unknown: [] });
      expect(await there.inspect(vee.veeId)).toMatchObject({ state: 'ACTIVE', ready: true, pid });
      await there.pause(vee);
      expect(await stateOf(vee, there)).toBe('PAUSED');
    });

    it('is not awaited with devices, which it would have others of', async () => {
      const capacity = { ...vee.template.capacity, devices: { gpu: 1 } };
      const spec = specFor(`vee-gpu-${process.pid}`, { ...GUEST, capacity });
      await expect(here.prepareTarget(spec)).rejects.toMatchObject({ code: 'driver-refused' });
      expect(await here.inspect(spec.veeId)).toBeUndefined();
    });

    it('ends when it is asked to, by its own last words, and keeps its disk', async () => {
      await there.resume(vee);
      const sum = await inside(vee, 'md5sum /data/random', there);
      await there.stop(vee, 10_000);
      expect((await there.logs(vee.veeId, 5)).join('\n')).toMatch(/bye\n.*the command ended with 7/);
      await there.start(vee);
      expect(
        (await there.exec(vee, ['/bin/sh', '-c', 'md5sum /data/random; nproc'], 30_000)).stdout.trim(),
      ).toBe(`${sum}\n2`);
    });

    it('is seen to have ended when its process was killed', async () => {
      process.kill(await pidOf(there, vee), 'SIGKILL');
      await until(async () => (await stateOf(vee, there)) === 'EXITED');
      expect((await there.list())[0]).toMatchObject({ state: 'EXITED' });
      await expect(there.pause(vee)).rejects.toMatchObject({ code: 'transition-illegal' });
    });

    it('outlives an agent that dies at once after its start, and is ended when it is superseded', async () => {
      const spec = specFor(`vee-orphan-${process.pid}`, GUEST);
      await dies(
        hereDir,
        `await d.define(${JSON.stringify(spec)}); await d.start(${JSON.stringify(spec)}); die();`,
      );
      await here.close();
      here = await open('host', join(folder, hereDir));
      expect((await here.recover()).adopted).toEqual([spec.veeId]);
      expect(await stateOf(spec)).toBe('ACTIVE');
      const pid = await pidOf(here, spec);
      await new VeeRecords(join(folder, hereDir)).raiseFence({ ...spec, epoch: 2 }, true);
      expect(await here.recover()).toEqual({ adopted: [], ended: [spec.veeId], unknown: [] });
      expect(await startTimeOf(pid)).toBeUndefined();
      expect(await here.list()).toEqual([]);
    });
  });

  describe('an image', () => {
    let folder: string;
    let driver: Driver;
    const image = (...args: string[]) => execFileSync('qemu-img', ['create', '-q', ...args], { cwd: folder });
    const specOf = (name: string, diskMiB = 16) =>
      specFor(`vee-${name}`, {
        image: name,
        capacity: { cpuMillis: 1_000, memoryMiB: 64, diskMiB, bandwidthKbps: 0 },
      });

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sluice-images-'));
      image('-f', 'qcow2', 'good.qcow2', '8M');
      image('-f', 'raw', 'plain.raw', '8M');
      image('-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw', 'thief.qcow2', '8M');
      image('-f', 'qcow2', '-o', 'data_file=elsewhere,data_file_raw=on', 'outside.qcow2', '8M');
      await writeFile(join(folder, 'noise.qcow2'), 'not an image at all'.repeat(100));
      await writeFile(join(folder, 'empty.qcow2'), '');
      const good = await readFile(join(folder, 'good.qcow2'));
      // Its first table of clusters is said to be far behind the end.
      good.writeBigUInt64BE(1n << 40n, 40);
      await writeFile(join(folder, 'torn.qcow2'), good);
      await writeFile(join(folder, 'Bad; name.qcow2'), good);
      driver = await createQemuDriver({
        hostId: 'i' as HostId,
        dataDir: join(folder, 'data'),
        imagesDir: folder,
        accelerator: 'tcg',
      });
    });
    afterAll(async () => {
      for (const vee of await driver.list()) await driver.destroy(vee);
      await driver.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('is known by the name of its file, if that is a name', async () => {
      const { images } = await driver.fingerprint();
      expect(images).toEqual(expect.arrayContaining(['sluice-guest', 'good', 'plain', 'thief']));
      expect(images.join()).not.toContain('Bad');
    });

    it.each(['good', 'plain'])('that is "%s" is read through a disk of the VEE’s own', async (name) => {
      const spec = specOf(name);
      await driver.define(spec);
      await driver.start(spec);
      expect((await driver.inspect(spec.veeId))?.state).toBe('ACTIVE');
      await expect(
        driver.define(specOf(`${name}`, 4)).then(() => driver.define({ ...specOf(name, 4), epoch: 2 })),
      ).rejects.toMatchObject({
        code: 'driver-refused',
      });
      await driver.destroy({ ...spec, epoch: 3 });
    });

    it.each(['thief', 'outside', 'noise', 'empty', 'torn'])(
      'that is "%s" is refused before anything of it runs',
      async (name) => {
        await expect(driver.define(specOf(name))).rejects.toMatchObject({ code: 'driver-refused' });
        expect(await driver.inspect(specOf(name).veeId)).toBeUndefined();
      },
    );
  });
}

async function pidOf(driver: Driver, { veeId }: VeeRef): Promise<number> {
  const pid = (await driver.inspect(veeId, false))?.pid;
  // `kill` takes 0 for whoever asks, and all around.
  if (pid === undefined) throw new Error(`${veeId} has no process`);
  return pid;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1_000 && !(await holds()); i++) await delay(5);
}
