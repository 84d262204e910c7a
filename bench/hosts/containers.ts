import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import { createContainerDriver } from '../../drivers/container/driver';
import { specFor } from '../../test/support/specs';
import { type Row, rowOf } from './figures';

/** So many containers one after the other, by `runc run` and by Sluice's driver, from the same bundles. */
export async function containerStarts(count: number): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const driver = await createContainerDriver({ hostId: 'h' as HostId, dataDir: folder, runtime: 'runc' });
  const root = join(folder, 'bare');
  const runc = (...args: string[]) => {
    const { status } = spawnSync('runc', ['--root', root, ...args], { stdio: 'ignore' });
    if (status !== 0) throw new Error(`runc ${args[0]} failed`);
  };
  const [ours, theirs]: [number[], number[]] = [[], []];
  const specs = Array.from({ length: count }, (_, i) =>
    specFor(`bench-${process.pid}-${i}`, { command: ['/bin/sleep', '600'], stopGraceMillis: 0 }),
  );
  try {
    for (const spec of specs) {
      await driver.define(spec);
      const bundle = join(folder, 'vees', spec.veeId);
      const bare = `${spec.veeId}-bare`;
      let began = performance.now();
      runc('run', '-d', '--bundle', bundle, bare);
      theirs.push(performance.now() - began);
      runc('delete', '-f', bare);
      began = performance.now();
      await driver.start(spec);
      ours.push(performance.now() - began);
    }
    const sum = (all: readonly number[]) => [all.reduce((a, b) => a + b, 0)];
    return [
      rowOf('container start', theirs, ours, 2),
      rowOf(`${count} containers, one after the other`, sum(theirs), sum(ours), 2),
    ];
  } finally {
    for (const spec of specs) await driver.destroy({ ...spec, epoch: 2 });
    await driver.close();
    await rm(folder, { recursive: true, force: true });
  }
}
