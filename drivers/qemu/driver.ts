import { SluiceError } from '../../domain/errors';
import type { HostFingerprint } from '../../domain/host';
import type { HostId, VeeId } from '../../domain/ids';
import type { WarmFacts } from '../../domain/images/warm';
import type { Capacity } from '../../domain/units';
import type {
  Driver,
  DriverState,
  ExecResult,
  Measurement,
  RecoveryReport,
  SendOptions,
  TransferOffer,
  VeeRef,
  VeeSpec,
  VeeStatus,
} from '../contract';
import { rotate, tailOf } from '../lib/console-log';
import { machineUsage, processUsage } from '../lib/machine-usage';
import { findOnPath } from '../lib/program';
import { Sends } from '../lib/sends';
import { type KeptVee, requireLatest, requireState, sentAs, statusOf, VeeRecords } from '../lib/vee-records';
import { networkFor } from '../network/for-host';
import type { HostNetwork } from '../network/host-network';
import { FILES } from './command-line';
import { DirtyRates } from './dirty-rates';
import { type QemuDriverConfig, QemuHost } from './host';
import { refused } from './layout';
import { Machines } from './machines';
import { QEMU } from './probe';
import { Receiver } from './receiving';
import { sendMachine, settle } from './sending';
import { saveState } from './state-file';
import { VeeMachines } from './vee-machines';

/** Real machines through QEMU. Its processes are in sessions of their own, and outlive the agent. */
export async function createQemuDriver(config: QemuDriverConfig): Promise<Driver> {
  const host = await QemuHost.find(config);
  const records = new VeeRecords(config.dataDir);
  await records.open();
  return new QemuDriver(config, host, records, await networkFor(config));
}

class QemuDriver implements Driver {
  readonly name = 'qemu';
  private readonly config: QemuDriverConfig;
  private readonly host: QemuHost;
  private readonly records: VeeRecords;
  private readonly machines: Machines;
  private readonly vees: VeeMachines;
  private readonly dirtyRates: DirtyRates;
  private readonly receivers = new Map<VeeId, Receiver>();
  private readonly sends = new Sends();

  constructor(config: QemuDriverConfig, host: QemuHost, records: VeeRecords, network?: HostNetwork) {
    this.config = config;
    this.host = host;
    this.records = records;
    this.machines = new Machines(records, findOnPath(QEMU) ?? QEMU, network);
    this.dirtyRates = new DirtyRates(this.machines);
    this.vees = new VeeMachines(this.machines, records, host.images, host.made, config.devices);
  }

  fingerprint = (): Promise<HostFingerprint> => this.host.fingerprint(this.machines.network !== undefined);

  define(spec: VeeSpec): Promise<void> {
    return this.records.exclusively(spec.veeId, async () => {
      await this.vees.make(spec, 'DEFINED');
    });
  }

  start(ref: VeeRef): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state !== 'ACTIVE') {
        requireState(vee, 'start', ['DEFINED', 'EXITED']);
        await this.vees.boot(vee);
      }
      await this.records.put({ ...vee, state: 'ACTIVE' });
    });
  }

  pause(ref: VeeRef): Promise<void> {
    return this.transition('pause', ref, 'ACTIVE', 'PAUSED', 'stop');
  }

  resume(ref: VeeRef): Promise<void> {
    return this.transition('resume', ref, 'PAUSED', 'ACTIVE', 'cont');
  }

  suspend(ref: VeeRef): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state !== 'SUSPENDED') {
        requireState(vee, 'suspend', ['ACTIVE']);
        await saveState(this.machines, ref.veeId);
        await this.records.put({ ...vee, state: 'SUSPENDED' });
      }
      await this.machines.end(ref.veeId, 0);
    });
  }

  restore(ref: VeeRef): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state === 'ACTIVE') return;
      requireState(vee, 'restore', ['SUSPENDED']);
      await this.vees.restore(vee);
    });
  }

  capture(ref: VeeRef, into: string): Promise<WarmFacts> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      requireState(vee, 'capture', ['ACTIVE', 'SUSPENDED']);
      return this.vees.capture(vee, into);
    });
  }

  stop(ref: VeeRef, graceMillis: number): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state === 'DEFINED') return this.vees.isHalf(vee) ? this.machines.end(ref.veeId, 0) : undefined;
      requireState(vee, 'stop', ['ACTIVE', 'PAUSED', 'EXITED']);
      await this.machines.end(ref.veeId, graceMillis);
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
      await this.vees.resize(vee, capacity);
      const { template } = vee.spec;
      await this.records.put({ ...vee, spec: { ...vee.spec, template: { ...template, capacity } } });
    });
  }

  async inspect(veeId: VeeId, probe = true): Promise<VeeStatus | undefined> {
    const vee = await this.records.get(veeId);
    return vee && this.status(vee, probe);
  }

  /** One that does not answer keeps no other from being told of: it is as it was recorded. */
  async list(): Promise<VeeStatus[]> {
    const kept = await this.records.all();
    await Promise.all(kept.map((vee) => rotate(this.machines.path(vee.spec.veeId, FILES.console))));
    return Promise.all(kept.map((vee) => this.status(vee, false).catch(() => statusOf(vee, false))));
  }

  /** Of a host that is a part of the machine only what its own machines use is its own. */
  async measure(veeIds: readonly VeeId[]): Promise<Measurement> {
    const read = await Promise.all(
      veeIds.map(async (veeId) => {
        const process = await this.machines.find(veeId);
        const used = process && (await processUsage(process.pid));
        return used ? [[veeId, used] as const] : [];
      }),
    );
    const vees = new Map(read.flat());
    const dirtyKbps = await this.dirtyRates.of([...vees.keys()], performance.now());
    return { vees, dirtyKbps, ...(this.config.capacity ? {} : { host: await machineUsage() }) };
  }

  async logs(veeId: VeeId, tailLines: number): Promise<string[]> {
    if (!(await this.records.get(veeId)))
      throw new SluiceError('not-found', `This host has no VEE ${veeId}.`);
    return tailOf(this.machines.path(veeId, FILES.console), tailLines);
  }

  async exec(ref: VeeRef, command: readonly string[], timeoutMillis = 10_000): Promise<ExecResult> {
    requireState(await this.acting(ref), 'exec', ['ACTIVE']);
    return this.machines.withAgent(ref.veeId, timeoutMillis, (agent) => agent.exec(command, timeoutMillis));
  }

  async recover(): Promise<RecoveryReport> {
    const report = { adopted: [] as VeeId[], ended: [] as VeeId[], unknown: [] as VeeId[] };
    await this.records.sweep();
    for (const vee of await this.records.all()) {
      const { veeId } = vee.spec;
      try {
        await this.records.checkFence(vee.spec);
        await this.records.exclusively(veeId, () => this.vees.adopt(vee));
        report.adopted.push(veeId);
      } catch (error) {
        if (error instanceof SluiceError && error.code === 'epoch-fenced') {
          await this.machines.end(veeId, 0);
          await this.records.remove(veeId);
          report.ended.push(veeId);
        } else report.unknown.push(veeId);
      }
    }
    await this.machines.network?.sweep((await this.records.all()).map(({ spec }) => spec));
    return report;
  }

  prepareTarget(spec: VeeSpec, from?: HostId): Promise<TransferOffer> {
    return this.records.exclusively(spec.veeId, async () => {
      const place = await this.vees.make(spec, 'INCOMING');
      const waiting = this.receivers.get(spec.veeId);
      if (waiting?.ref.epoch === spec.epoch) return waiting.offer;
      this.stopReceiving(spec.veeId);
      const receiver = new Receiver(spec, this.machines, this.records, place, this.config.reached);
      const { transferAddress = '127.0.0.1', identity } = this.config;
      await receiver.listen(transferAddress, { identity, from });
      this.receivers.set(spec.veeId, receiver);
      return receiver.offer;
    });
  }

  send(ref: VeeRef, offer: TransferOffer, how: SendOptions = {}): Promise<void> {
    const { veeId } = ref;
    const inTurn = (begin: () => Promise<void>) => this.records.exclusively(veeId, begin);
    return this.sends.during(veeId, how.cancelled, inTurn, async (cancelled) => {
      const vee = await this.acting(ref);
      requireLatest(vee, how.toEpoch);
      if (vee.state !== 'OUTGOING') requireState(vee, 'send', ['ACTIVE']);
      // Recorded before anything is sent, so that a crash in between is seen as a migration.
      await this.records.put({ ...vee, state: 'OUTGOING', ...sentAs(how.toEpoch) });
      if (!(await this.machines.find(veeId))) throw refused(`${veeId} has ended: there is nothing to send.`);
      const peer = { offer, identity: this.config.identity, to: how.to };
      await sendMachine(this.machines, veeId, peer, how, cancelled, this.config.reached);
    });
  }

  switchOver(ref: VeeRef): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state !== 'ACTIVE') {
        requireState(vee, 'switchOver', ['INCOMING']);
        await this.vees.goOn(vee);
        await this.config.reached?.('resume');
      }
      await this.records.put({ ...vee, state: 'ACTIVE' });
      this.stopReceiving(ref.veeId);
    });
  }

  async finish(ref: VeeRef): Promise<void> {
    await this.config.reached?.('finish');
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
      // Only what `send` has begun to move is brought back: it may never have come so far.
      if (vee.state !== 'OUTGOING') return;
      // What has ended by itself on the way is not run a second time: from now on it is seen to have ended.
      if (await this.machines.find(ref.veeId)) await settle(this.machines, ref.veeId);
      await this.records.put({ ...vee, state: 'ACTIVE' });
    });
  }

  async setPeers(underlayAddresses: readonly string[]): Promise<void> {
    await this.machines.network?.setPeers(underlayAddresses);
  }

  async close(): Promise<void> {
    await this.machines.network?.close();
    for (const veeId of [...this.receivers.keys()]) this.stopReceiving(veeId);
    this.machines.close();
  }

  private async remove(ref: VeeRef): Promise<void> {
    await this.records.checkFence(ref);
    await this.records.raiseFence(ref, true);
    this.stopReceiving(ref.veeId);
    await this.machines.end(ref.veeId, 0);
    await this.records.remove(ref.veeId);
  }

  private transition(
    verb: string,
    ref: VeeRef,
    from: DriverState,
    to: DriverState,
    command: string,
  ): Promise<void> {
    return this.records.exclusively(ref.veeId, async () => {
      const vee = await this.acting(ref);
      if (vee.state !== to) {
        requireState(vee, verb, [from]);
        await (await this.machines.qmp(ref.veeId)).execute(command);
      }
      await this.records.put({ ...vee, state: to });
    });
  }

  /** The record, with its state as QEMU tells it: what crashed between act and record is seen here. */
  private async acting(ref: VeeRef): Promise<KeptVee> {
    const vee = await this.records.acting(ref);
    return { ...vee, state: (await this.live(vee)).state };
  }

  /** What runs of a warm image, and has not become this VEE yet, is not taken for it. */
  private async live(vee: KeptVee): Promise<{ state: DriverState; pid?: number }> {
    const seen = await this.machines.live(vee);
    return vee.state === 'DEFINED' && this.vees.isHalf(vee) ? { state: 'DEFINED' } : seen;
  }

  private async status(vee: KeptVee, probe: boolean): Promise<VeeStatus> {
    const { state, pid } = await this.live(vee);
    const ready = state === 'ACTIVE' && probe && (await this.vees.isReady(vee));
    return statusOf({ ...vee, state }, ready, pid);
  }

  private stopReceiving(veeId: VeeId): void {
    this.receivers.get(veeId)?.close();
    this.receivers.delete(veeId);
  }
}
