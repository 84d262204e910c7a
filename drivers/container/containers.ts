import { createHash } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import type { Counters } from '../../domain/measured';
import type { DriverState } from '../contract';
import { rotate, tailOf } from '../lib/console-log';
import { deviceVariables, type HostDevices, nodesOf } from '../lib/device-numbers';
import { contextOf } from '../lib/vee-context';
import type { KeptVee, VeeRecords } from '../lib/vee-records';
import type { HostNetwork } from '../network/host-network';
import { ociConfig } from './bundle';
import { stageContext } from './context-files';
import { readDeviceNode } from './device-nodes';
import type { Roots } from './roots';
import { lastMessage, type OciRuntime } from './runtime';
import { containerUsage } from './usage';

const POLL_MILLIS = 25;
/** Beside what the runtime itself takes for each attempt. */
const FREEZE_MILLIS = 1_000;

/** The containers of one host: made, ended and looked at through the OCI runtime, with their files. */
export class Containers {
  readonly runtime: OciRuntime;
  readonly roots: Roots;
  private readonly records: VeeRecords;
  private readonly dataDir: string;
  private readonly devices: HostDevices;
  private readonly network: HostNetwork | undefined;

  constructor(
    runtime: OciRuntime,
    roots: Roots,
    records: VeeRecords,
    dataDir: string,
    devices: HostDevices = {},
    network?: HostNetwork,
  ) {
    this.runtime = runtime;
    this.roots = roots;
    this.records = records;
    this.dataDir = dataDir;
    this.devices = devices;
    this.network = network;
  }

  /** Creates and starts the container, whatever an interrupted attempt left behind. */
  async boot(vee: KeptVee): Promise<void> {
    const { veeId } = vee.spec;
    let found = await this.runtime.state(veeId);
    if (found?.status === 'stopped') {
      await this.runtime.command(['delete', '-f', veeId]);
      found = undefined;
    }
    if (!found) await this.create(veeId);
    if (!found || found.status === 'created') await this.attach(vee);
    if (!found || found.status === 'created') await this.runtime.command(['start', veeId]);
    await this.records.put({ ...vee, state: 'ACTIVE' });
  }

  /** Nothing runs in it yet that could find itself without its networks. */
  private async attach({ spec }: KeptVee): Promise<void> {
    if (!this.network || !spec.networks) return;
    const created = await this.runtime.state(spec.veeId);
    if (created) await this.network.attachContainer(spec, created.pid);
  }

  /** After a restart of the agent. */
  async adopt({ spec }: KeptVee): Promise<void> {
    if (!this.network || !spec.networks) return;
    const found = await this.runtime.state(spec.veeId);
    if (found && found.status !== 'stopped' && found.pid > 0)
      await this.network.adopt('veth', spec, found.pid);
  }

  /**
   * Until all of it stands still. crun returns while the kernel is still at it, and takes what is being frozen for what
   * runs: whoever looked just then started, or did not resume, a VEE that was paused. runc gives up where much runs.
   */
  async pause(veeId: VeeId): Promise<void> {
    for (let waited = 0; ; waited += POLL_MILLIS) {
      const { exitCode, stderr } = await this.runtime.try(['pause', veeId]);
      if ((await this.runtime.state(veeId))?.status === 'paused') return;
      if (waited >= FREEZE_MILLIS)
        throw new SluiceError(
          'driver-failed',
          `${veeId} does not stand still${exitCode === 0 ? '' : `: ${lastMessage(stderr)}`}.`,
          { cause: stderr },
        );
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
    }
  }

  /** The runtime's own messages go where the container's output will go, so they are looked up there. */
  private async create(veeId: VeeId): Promise<void> {
    const log = await open(this.logPath(veeId), 'a');
    try {
      const { exitCode } = await this.runtime.try(['create', '--bundle', this.records.folder(veeId), veeId], {
        outputFd: log.fd,
      });
      if (exitCode === 0) return;
    } finally {
      await log.close();
    }
    const said = lastMessage((await this.logTail(veeId, 3)).join('\n'));
    const wrongCommand =
      /executable file not found|no such file or directory|permission denied|not a directory/i.test(said);
    throw new SluiceError(
      wrongCommand ? 'driver-refused' : 'driver-failed',
      `${this.runtime.name} create failed: ${said}`,
    );
  }

  /** Ends the container and removes the runtime's trace of it. Fine when there is none. */
  async end(veeId: VeeId, graceMillis: number): Promise<void> {
    await this.endProcesses(veeId, graceMillis);
    const kept = await this.records.get(veeId);
    if (kept) await this.network?.detach('veth', kept.spec);
  }

  private async endProcesses(veeId: VeeId, graceMillis: number): Promise<void> {
    const found = await this.runtime.state(veeId);
    if (!found) return;
    if (found.status === 'paused') await this.runtime.try(['resume', veeId]);
    if (found.status !== 'stopped' && graceMillis > 0) {
      await this.runtime.try(['kill', veeId, 'TERM']);
      for (let waited = 0; waited < graceMillis; waited += POLL_MILLIS) {
        if ((await this.runtime.state(veeId))?.status === 'stopped') break;
        await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
      }
    }
    await this.runtime.try(['delete', '-f', veeId]);
    if (await this.runtime.state(veeId))
      throw new SluiceError('driver-failed', `${veeId} could not be removed.`);
  }

  async live(vee: KeptVee): Promise<{ state: DriverState; pid: number | undefined }> {
    const found = await this.runtime.state(vee.spec.veeId);
    const pid = found?.pid === 0 ? undefined : found?.pid;
    if (vee.state === 'INCOMING' || vee.state === 'OUTGOING') return { state: vee.state, pid };
    if (found?.status === 'running') return { state: 'ACTIVE', pid };
    if (found?.status === 'paused') return { state: 'PAUSED', pid };
    return { state: vee.state === 'DEFINED' ? 'DEFINED' : 'EXITED', pid };
  }

  logTail = (veeId: VeeId, lines: number): Promise<string[]> => tailOf(this.logPath(veeId), lines);

  /** The container holds its console open for appending. */
  rotateLog = (veeId: VeeId): Promise<void> => rotate(this.logPath(veeId));

  usage = (veeId: VeeId): Promise<Counters | undefined> => containerUsage(this.cgroupPath(veeId));

  async isReady({ spec }: KeptVee): Promise<boolean> {
    const { readiness } = spec.template;
    if (readiness.kind === 'running') return true;
    const result = await this.runtime.try(['exec', spec.veeId, ...readiness.command], {
      timeoutMillis: 10_000,
    });
    return result.exitCode === 0;
  }

  async writeBundle(vee: Omit<KeptVee, 'state'>): Promise<void> {
    const { spec } = vee;
    const disk = this.diskPath(spec.veeId);
    await mkdir(disk, { recursive: true });
    const folder = this.records.folder(spec.veeId);
    const root = await this.roots.of(spec.template.image, folder);
    const told = contextOf(spec, deviceVariables(vee.devices));
    const config = ociConfig(spec, {
      ...{ root, dataDir: disk, cgroupPath: this.cgroupPath(spec.veeId) },
      environment: told.environment,
      context: await stageContext(folder, told, root.path),
      nodes: await Promise.all(nodesOf(this.devices, vee).map(readDeviceNode)),
    });
    await writeFile(join(this.records.folder(spec.veeId), 'config.json'), JSON.stringify(config));
  }

  /** Two hosts on one machine may hold the same VEE during a migration, so the host is part of the path. */
  private cgroupPath(veeId: VeeId): string {
    const host = createHash('sha256').update(this.dataDir).digest('hex').slice(0, 12);
    return `/sluice/${host}/${veeId}`;
  }

  diskPath(veeId: VeeId): string {
    return join(this.records.folder(veeId), 'data');
  }

  logPath(veeId: VeeId): string {
    return join(this.records.folder(veeId), 'console.log');
  }
}
