import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { commandLine, DISK_NODE, FILES } from '../../drivers/qemu/command-line';
import { createDisk, type QemuImage } from '../../drivers/qemu/images';
import type { Layout } from '../../drivers/qemu/layout';
import { LIVE, migrationEvent } from '../../drivers/qemu/migration-events';
import { QEMU } from '../../drivers/qemu/probe';
import { QmpClient } from '../../drivers/qemu/qmp';
import type { Move } from './figures';

const EVENT_MILLIS = 60_000;

interface Running {
  readonly folder: string;
  readonly process: ChildProcess;
  readonly qmp: QmpClient;
}

/** The rival: the same machine, moved by the few QMP commands that it takes, socket to socket, with nobody between. */
export class BareMachine {
  private readonly layout: Layout;
  private readonly image: QemuImage;
  private running: Running | undefined;
  private other: string;

  constructor(layout: Layout, image: QemuImage, folders: readonly [string, string]) {
    this.layout = layout;
    this.image = image;
    this.other = folders[1];
  }

  async start(folder: string): Promise<void> {
    this.running = await this.spawn(folder, false);
  }

  async move(): Promise<Move> {
    const { running: source, layout } = this;
    if (!source) throw new Error('it does not run');
    const began = performance.now();
    for (const file of [FILES.incomingDisk, FILES.incomingMemory])
      await rm(join(this.other, file), { force: true });
    await createDisk(join(this.other, FILES.disk), this.image, layout.diskMiB);
    const target = await this.spawn(this.other, true);
    const path = (file: string) => join(target.folder, file);
    const capability = (name: string) => ({ capability: name, state: true });
    const capabilities = [capability('events'), capability('pause-before-switchover')];
    await target.qmp.execute('migrate-set-capabilities', {
      capabilities: [...capabilities, capability('late-block-activate')],
    });
    await target.qmp.execute('nbd-server-start', {
      addr: { type: 'unix', data: { path: path(FILES.incomingDisk) } },
    });
    await target.qmp.execute('block-export-add', {
      ...{ type: 'nbd', id: 'incoming', 'node-name': DISK_NODE, name: DISK_NODE, writable: true },
    });
    await target.qmp.execute('migrate-incoming', { uri: `unix:${path(FILES.incomingMemory)}` });
    const { qmp } = source;
    await qmp.execute('migrate-set-capabilities', {
      capabilities: [...capabilities, capability('auto-converge')],
    });
    await qmp.execute('migrate-set-parameters', LIVE);
    await qmp.execute('blockdev-add', {
      ...{ driver: 'nbd', 'node-name': 'target', export: DISK_NODE },
      server: { type: 'unix', path: path(FILES.incomingDisk) },
    });
    const job = (name: string) =>
      qmp.event(({ event, data }) => event === name && data.device === 'mirror', EVENT_MILLIS, name);
    const ready = job('BLOCK_JOB_READY');
    await qmp.execute('blockdev-mirror', {
      ...{ 'job-id': 'mirror', device: DISK_NODE, target: 'target', sync: 'full' },
      'copy-mode': 'write-blocking',
    });
    await ready;
    const paused = migrationEvent(qmp, ['pre-switchover'], EVENT_MILLIS);
    await qmp.execute('migrate', { uri: `unix:${path(FILES.incomingMemory)}` });
    await paused;
    const still = performance.now();
    const whole = job('BLOCK_JOB_COMPLETED');
    await qmp.execute('block-job-cancel', { device: 'mirror' });
    await whole;
    const done = migrationEvent(qmp, ['completed'], EVENT_MILLIS);
    await qmp.execute('migrate-continue', { state: 'pre-switchover' });
    await done;
    await qmp.execute('blockdev-del', { 'node-name': 'target' });
    for (;;) {
      const { status } = await target.qmp.execute<{ status?: string }>('query-migrate');
      if (status === 'completed') break;
      await delay(5);
    }
    await target.qmp.execute('nbd-server-stop');
    await target.qmp.execute('cont');
    const stillMillis = performance.now() - still;
    await this.end();
    this.other = source.folder;
    this.running = target;
    return { totalMillis: performance.now() - began, stillMillis };
  }

  async end(): Promise<void> {
    const { running } = this;
    if (!running) return;
    this.running = undefined;
    const gone = new Promise((resolve) => running.process.once('exit', resolve));
    await running.qmp.execute('quit').catch(() => running.process.kill('SIGKILL'));
    await gone;
  }

  private async spawn(folder: string, incoming: boolean): Promise<Running> {
    await rm(join(folder, FILES.qmp), { force: true });
    const begin = incoming ? ({ incoming: 'defer' } as const) : {};
    const process = spawn(QEMU, commandLine(this.layout, this.image, begin), {
      cwd: folder,
      stdio: 'ignore',
    });
    for (let i = 0; ; i++) {
      try {
        return { folder, process, qmp: await QmpClient.connect(join(folder, FILES.qmp)) };
      } catch (error) {
        if (i >= 400) throw error;
        await delay(25);
      }
    }
  }
}
