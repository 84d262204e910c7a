import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import type { DriverCapabilities, HostFingerprint } from '../../domain/host';
import type { HostId, VeeId } from '../../domain/ids';
import type { Capacity } from '../../domain/units';
import type {
  Driver,
  DriverConfig,
  DriverState,
  Measurement,
  SendOptions,
  TransferOffer,
  VeeRef,
  VeeSpec,
  VeeStatus,
} from '../contract';
import { foundCapacity, machineAttributes } from '../lib/machine-facts';
import { machineUsage } from '../lib/machine-usage';
import { Sends } from '../lib/sends';
import { type KeptVee, requireLatest, requireState, sentAs, statusOf, VeeRecords } from '../lib/vee-records';
import { networkFor, requireNetwork } from '../network/for-host';
import type { HostNetwork } from '../network/host-network';
import { limitsOf } from './bundle';
import { Containers } from './containers';
import { forgetContext } from './context-files';
import { checkDeviceNodes } from './device-nodes';
import { busyboxRootFs } from './image';
import { DiskReceivers } from './receivers';
import { Roots } from './roots';
import { cgroupLayout, findRuntime } from './runtime';
import { sendDisk } from './transfer';

export interface ContainerDriverConfig extends DriverConfig {
  /** Take this runtime and no other. */
  readonly runtime?: 'runc' | 'crun';
}

const CAPABILITIES: DriverCapabilities = {
  pause: true,
  // Needs CRIU, which does not work on every kernel; until a probe decides, it is not offered.
  suspend: false,
  liveResize: true,
  migration: 'cold',
  exec: true,
  logs: true,
  enforces: { cpu: true, memory: true, disk: false },
};

/** Real containers through an OCI runtime. They are no children of the agent and outlive it. @throws SluiceError `driver-refused` for devices that are none */
export async function createContainerDriver(config: ContainerDriverConfig): Promise<Driver> {
  await checkDeviceNodes(config.devices);
  const records = new VeeRecords(config.dataDir);
  await records.open();
  const stateDir = join(config.dataDir, 'runtime');
  await mkdir(stateDir, { recursive: true });
  const runtime = findRuntime(stateDir, config.runtime);
  const roots = new Roots({ busybox: await busyboxRootFs() }, config.images);
  const network = await networkFor(config);
  const containers = new Containers(runtime, roots, records, config.dataDir, config.devices, network);
  return new ContainerDriver(config, records, containers, network);
}

class ContainerDriver implements Driver {
  readonly name = 'container';
  private readonly config: ContainerDriverConfig;
  private readonly records: VeeRecords;
  private readonly containers: Containers;
  private readonly network: HostNetwork | undefined;
  private readonly receivers = new DiskReceivers();
  private readonly sends = new Sends();

  constructor(
    config: ContainerDriverConfig,
    records: VeeRecords,
    containers: Containers,
    network: HostNetwork | undefined,
  ) {
    this.network = network;
    this.config = config;
    this.records = records;
    this.containers = containers;
  }

  async fingerprint(): Promise<HostFingerprint> {
    const { dataDir, capacity, reserve } = this.config;
    const { runtime } = this.containers;
    return {
      driver: this.name,
      description: `Real containers by ${runtime.name}, cgroups ${cgroupLayout()}.`,
      real: true,
      capabilities: { ...CAPABILITIES, networks: this.network !== undefined, context: true },
      capacity: capacity ?? (await foundCapacity(dataDir, reserve)),
      images: this.containers.roots.names,
      attributes: {
        ...(await machineAttributes(dataDir)),
        runtime: runtime.name,
        'runtime.version': await runtime.version(),
        cgroups: cgroupLayout(),
      },
    };
  }

  define(spec: VeeSpec): Promise<void> {
    return this.records.exclusively(spec.veeId, () => this.make(spec, 'DEFINED'));
  }

  start(ref: VeeRef): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state === 'ACTIVE') return;
      requireState(vee, 'start', ['DEFINED', 'EXITED']);
      await this.containers.boot(vee);
    });
  }

  pause(ref: VeeRef): Promise<void> {
    return this.transition('pause', ref, 'ACTIVE', 'PAUSED', () => this.containers.pause(ref.veeId));
  }

  resume(ref: VeeRef): Promise<void> {
    return this.transition('resume', ref, 'PAUSED', 'ACTIVE', () =>
      this.containers.runtime.command(['resume', ref.veeId]),
    );
  }

  async suspend(): Promise<void> {
    throw missing('suspend');
  }

  async restore(): Promise<void> {
    throw missing('restore');
  }

  stop(ref: VeeRef, graceMillis: number): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state === 'DEFINED') return;
      requireState(vee, 'stop', ['ACTIVE', 'PAUSED', 'EXITED']);
      await this.containers.end(ref.veeId, graceMillis);
      await this.records.put({ ...vee, state: 'DEFINED' });
    });
  }

  destroy(ref: VeeRef): Promise<void> {
    this.sends.abort(ref.veeId);
    return this.records.exclusively(ref.veeId, () => this.remove(ref));
  }

  resize(ref: VeeRef, capacity: Capacity): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      requireState(vee, 'resize', ['ACTIVE', 'DEFINED']);
      const limits = limitsOf(capacity);
      const flags = [
        '--memory',
        String(limits.memoryBytes),
        '--cpu-quota',
        String(limits.cpuQuotaMicros),
        '--cpu-period',
        String(limits.cpuPeriodMicros),
      ];
      if (vee.state === 'ACTIVE') await this.containers.runtime.command(['update', ...flags, ref.veeId]);
      const resized = { ...vee, spec: { ...vee.spec, template: { ...vee.spec.template, capacity } } };
      await this.containers.writeBundle(resized);
      await this.records.put(resized);
    });
  }

  async inspect(veeId: VeeId, probe = true): Promise<VeeStatus | undefined> {
    const vee = await this.records.get(veeId);
    return vee && this.status(vee, probe);
  }

  async list(): Promise<VeeStatus[]> {
    const kept = await this.records.all();
    await Promise.all(kept.map((vee) => this.containers.rotateLog(vee.spec.veeId)));
    return Promise.all(kept.map((vee) => this.status(vee, false)));
  }

  /** Of a host that is a part of the machine only what its containers use is its own. */
  async measure(veeIds: readonly VeeId[]): Promise<Measurement> {
    const read = await Promise.all(veeIds.map(async (id) => [id, await this.containers.usage(id)] as const));
    const vees = new Map(read.flatMap(([id, used]) => (used ? [[id, used] as const] : [])));
    return this.config.capacity ? { vees } : { host: await machineUsage(), vees };
  }

  async logs(veeId: VeeId, tailLines: number): Promise<string[]> {
    if (!(await this.records.get(veeId)))
      throw new SluiceError('not-found', `This host has no VEE ${veeId}.`);
    return this.containers.logTail(veeId, tailLines);
  }

  async exec(ref: VeeRef, command: readonly string[], timeoutMillis = 10_000) {
    requireState(await this.acting(ref), 'exec', ['ACTIVE']);
    const { exitCode, stdout } = await this.containers.runtime.try(['exec', ref.veeId, ...command], {
      timeoutMillis,
    });
    return { exitCode, stdout };
  }

  async recover() {
    const adopted: VeeId[] = [];
    const ended: VeeId[] = [];
    const unknown: VeeId[] = [];
    await this.records.sweep();
    for (const vee of await this.records.all()) {
      const { veeId } = vee.spec;
      try {
        await this.records.checkFence(vee.spec);
        await this.status(vee, false);
        await this.containers.adopt(vee);
        adopted.push(veeId);
      } catch (error) {
        if (error instanceof SluiceError && error.code === 'epoch-fenced') {
          await this.containers.end(veeId, 0);
          await this.records.remove(veeId);
          ended.push(veeId);
        } else {
          unknown.push(veeId);
        }
      }
    }
    await this.network?.sweep((await this.records.all()).map(({ spec }) => spec));
    return { adopted, ended, unknown };
  }

  prepareTarget(spec: VeeSpec, from?: HostId): Promise<TransferOffer> {
    return this.records.exclusively(spec.veeId, async () => {
      await this.make(spec, 'INCOMING');
      const { transferAddress = '127.0.0.1', identity } = this.config;
      const disk = this.containers.diskPath(spec.veeId);
      return this.receivers.await(spec, disk, transferAddress, { identity, from });
    });
  }

  send(ref: VeeRef, offer: TransferOffer, how: SendOptions = {}): Promise<void> {
    const { veeId } = ref;
    const inTurn = (begin: () => Promise<void>) => this.records.exclusively(veeId, begin);
    return this.sends.during(veeId, how.cancelled, inTurn, async (cancelled) => {
      const vee = await this.acting(ref);
      requireLatest(vee, how.toEpoch);
      if (vee.state !== 'OUTGOING') requireState(vee, 'send', ['ACTIVE']);
      // Recorded before the container ends, so that a crash in between is seen as a migration, not an exit.
      await this.records.put({ ...vee, state: 'OUTGOING', ...sentAs(how.toEpoch) });
      await this.containers.end(veeId, vee.spec.template.stopGraceMillis);
      await sendDisk(this.containers.diskPath(veeId), offer, this.config.identity, { ...how, cancelled });
    });
  }

  switchOver(ref: VeeRef): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state === 'ACTIVE') return;
      requireState(vee, 'switchOver', ['INCOMING']);
      await this.containers.boot(vee);
      await this.receivers.stop(ref.veeId);
    });
  }

  finish(ref: VeeRef): Promise<void> {
    return this.destroy(ref);
  }

  async cancel(ref: VeeRef, side: 'source' | 'target', of?: number): Promise<void> {
    if (side === 'target') return this.destroy(ref);
    const begun = await this.records.get(ref.veeId);
    if (begun) requireLatest(begun, of);
    this.sends.abort(ref.veeId);
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      requireLatest(vee, of);
      // Only what `send` has stopped is started again: it may never have come so far, or have ended by itself.
      if (vee.state === 'OUTGOING') await this.containers.boot(vee);
    });
  }

  async setPeers(underlayAddresses: readonly string[]): Promise<void> {
    await this.network?.setPeers(underlayAddresses);
  }

  async close(): Promise<void> {
    await this.network?.close();
    await this.receivers.close();
  }

  private async make(spec: VeeSpec, state: DriverState): Promise<void> {
    const existing = await this.records.checkFence(spec, true);
    await this.containers.roots.of(spec.template.image, this.records.folder(spec.veeId));
    requireNetwork(spec, this.network);
    if (existing?.spec.epoch === spec.epoch) return;
    if (existing) await this.containers.end(spec.veeId, 0);
    await this.records.giving(spec, this.config.devices ?? {}, async (given) => {
      const vee = { spec, state, ...given };
      await forgetContext(this.records.folder(spec.veeId));
      await this.containers.writeBundle(vee);
      await this.records.put(vee);
    });
  }

  private async remove(ref: VeeRef): Promise<void> {
    await this.records.checkFence(ref);
    await this.records.raiseFence(ref, true);
    await this.receivers.stop(ref.veeId);
    await this.containers.end(ref.veeId, 0);
    await this.records.remove(ref.veeId);
  }

  private transition(
    verb: string,
    ref: VeeRef,
    from: DriverState,
    to: DriverState,
    act: () => Promise<unknown>,
  ): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state === to) return;
      requireState(vee, verb, [from]);
      await act();
      await this.records.put({ ...vee, state: to });
    });
  }

  /** The record, with its state as the runtime tells it: what crashed between act and record is seen here. */
  private async acting(ref: VeeRef): Promise<KeptVee> {
    const vee = await this.records.acting(ref);
    return { ...vee, state: (await this.containers.live(vee)).state };
  }

  private async status(vee: KeptVee, probe = true): Promise<VeeStatus> {
    const { state, pid } = await this.containers.live(vee);
    const ready = state === 'ACTIVE' && probe && (await this.containers.isReady(vee));
    return statusOf({ ...vee, state }, ready, pid);
  }
}

function missing(verb: string): SluiceError {
  return new SluiceError('capability-missing', `The container driver can't ${verb}: it needs CRIU.`);
}
