import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostId } from '../../domain/ids';
import type { Driver, VeeSpec } from '../../drivers/contract';
import { readJson } from '../../drivers/lib/atomic-file';
import { createQemuDriver } from '../../drivers/qemu/driver';
import { Images, TEST_GUEST } from '../../drivers/qemu/images';
import type { KeptMachine } from '../../drivers/qemu/machines';
import { certifiedHosts } from '../../test/support/certified';
import { specFor } from '../../test/support/specs';
import { BareMachine } from './bare-qmp';
import { type Move, type Row, rowOf } from './figures';

const LOAD = 'while :; do head -c 8000000 /dev/urandom > /run/load; done';

/** The same guest moved by Sluice's driver, by TLS, and by a bare script, in turn. */
export async function migrations(name: 'idle' | 'under load', rounds: number): Promise<Row[]> {
  // QEMU's sockets have short names.
  const folder = await mkdtemp(join(tmpdir(), 'sb-'));
  const marks = { still: 0, on: 0 };
  const { a, b } = await certifiedHosts(['a', 'b']);
  const open = (hostId: HostId, identity = a) =>
    createQemuDriver({
      ...{ hostId, dataDir: join(folder, hostId), accelerator: 'tcg', identity },
      reached: async (phase) => {
        if (phase === 'pre-switchover') marks.still = performance.now();
        if (phase === 'resume') marks.on = performance.now();
      },
    });
  let [here, there] = [await open(a.hostId), await open(b.hostId, b)];
  const bareHosts = [await open('c' as HostId), await open('d' as HostId)];
  let bare: BareMachine | undefined;
  let vee = specFor('bench', {
    image: TEST_GUEST,
    capacity: { cpuMillis: 500, memoryMiB: 128, diskMiB: 48, bandwidthKbps: 0 },
    ...(name === 'idle' ? {} : { command: ['/bin/sh', '-c', LOAD] }),
  });
  try {
    await here.define(vee);
    await here.start(vee);
    for (const host of bareHosts) await host.define(vee);
    const path = (host: string) => join(folder, host, 'vees', vee.veeId);
    const kept = await readJson<KeptMachine>(join(path('a'), 'machine.json'));
    if (!kept) throw new Error('no machine');
    bare = new BareMachine(kept.layout, await new Images().find(TEST_GUEST), [path('c'), path('d')]);
    await bare.start(path('c'));
    await booted(here, vee);
    await delay(5_000);
    const [ours, theirs]: [Move[], Move[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      theirs.push(await bare.move());
      const began = performance.now();
      const next = { ...vee, epoch: vee.epoch + 1 };
      await here.send(vee, await there.prepareTarget(next));
      await there.switchOver(next);
      await here.finish(next);
      ours.push({ totalMillis: performance.now() - began, stillMillis: marks.on - marks.still });
      vee = next;
      [here, there] = [there, here];
    }
    const of = (moves: readonly Move[], key: keyof Move) => moves.map((m) => m[key]);
    return [
      rowOf(`live migration, ${name}: still`, of(theirs, 'stillMillis'), of(ours, 'stillMillis'), 1.2),
      rowOf(`live migration, ${name}: in all`, of(theirs, 'totalMillis'), of(ours, 'totalMillis'), 1.5),
    ];
  } finally {
    await bare?.end();
    for (const driver of [here, there]) {
      for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 999 });
      await driver.close();
    }
    for (const driver of bareHosts) await driver.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function booted(driver: Driver, vee: VeeSpec): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const seen = await driver.exec(vee, ['/bin/test', '-e', '/run/counter']).catch(() => undefined);
    if (seen?.exitCode === 0) return;
    await delay(200);
  }
  throw new Error('the guest did not boot');
}
