import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTimeOf } from '../../drivers/lib/process-identity';
import { LockHeld, takeLock } from '../../drivers/lib/process-lock';
import { lockHost, unlockHost } from '../../worker/host-locks';

describe('two agents for one host', () => {
  let folder: string;
  let other: ChildProcess;
  const killed = new Promise<void>((resolve) => {
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sluice-locks-'));
      other = spawn('sleep', ['60']);
      other.once('exit', () => resolve());
    });
  });
  afterAll(async () => {
    other.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  it('is refused for the second, by who has it, until the first one has gone, however it went', async () => {
    const dataDir = join(folder, 'host-a');
    const pid = other.pid ?? 0;
    await lockHost('host-a', dataDir);
    await unlockHost(dataDir);
    const lock = join(dataDir, 'agent.lock');
    await writeFile(lock, JSON.stringify({ pid, startTime: await startTimeOf(pid) }));
    await expect(lockHost('host-a', dataDir)).rejects.toThrow(
      `host-a is served by another agent, process ${pid}`,
    );
    other.kill('SIGKILL');
    await killed;
    await lockHost('host-a', dataDir);
    await expect(lockHost('host-a', dataDir)).rejects.toThrow(`process ${process.pid}`);
    await unlockHost(dataDir);
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('is taken by one of many that find it stale at once', async () => {
    const dataDir = join(folder, 'contended');
    const lock = join(dataDir, 'agent.lock');
    await mkdir(dataDir);
    for (let round = 0; round < 6; round++) {
      await writeFile(lock, JSON.stringify({ pid: process.pid, startTime: '1' }));
      const takers = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(lock)));
      const refused = takers.flatMap((t) => (t.status === 'rejected' ? [t.reason] : []));
      expect(refused.map((reason) => reason instanceof LockHeld)).toEqual(Array(7).fill(true));
      expect(await readdir(dataDir)).toEqual(['agent.lock']);
    }
  });

  it('takes no other process for the one that had it, though it has its pid, nor a lock that was cut short', async () => {
    for (const text of [JSON.stringify({ pid: process.pid, startTime: '1' }), '{"pid":', '']) {
      const lock = join(folder, 'host-b.lock');
      await writeFile(lock, text);
      expect(await takeLock(lock)).toMatchObject({ pid: process.pid });
      await rm(lock);
    }
  });
});
