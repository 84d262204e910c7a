import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import type { DriverState } from '../contract';
import { readJson, writeJson } from '../lib/atomic-file';
import { tailOf } from '../lib/console-log';
import { isAlive, type ProcessIdentity, startTimeOf } from '../lib/process-identity';
import type { KeptVee, VeeRecords } from '../lib/vee-records';
import type { HostNetwork } from '../network/host-network';
import { AGENT_CHARDEV, type Begin, commandLine, FILES } from './command-line';
import { gone, kill } from './ending';
import { GuestAgent } from './guest-agent';
import type { QemuImage } from './images';
import type { Layout } from './layout';
import { QmpClient, QmpError } from './qmp';

const SPAWN_MILLIS = 15_000;
const POLL_MILLIS = 25;
const ANSWER_MILLIS = 3_000;
const QUIT_MILLIS = 2_000;
const KILLED_MILLIS = 5_000;

/** What is kept of a machine beside its VEE's record. */
export interface KeptMachine {
  readonly layout: Layout;
  readonly process?: ProcessIdentity;
  /** On a migration's target: all of it has arrived, so it may be told to go on. */
  readonly received?: boolean;
  /** It may have been told: from here on this is the copy that counts. Absent where an earlier release told it. */
  readonly resumed?: boolean;
}

/** The QEMU processes of one host, by VEE: begun, found again, spoken to and ended. They are no part of the agent. */
export class Machines {
  private readonly records: VeeRecords;
  private readonly program: string;
  private readonly clients = new Map<VeeId, { readonly pid: number; readonly client: Promise<QmpClient> }>();
  readonly network: HostNetwork | undefined;
  private closed = false;
  private readonly agentQueues = new Map<VeeId, Promise<unknown>>();

  constructor(records: VeeRecords, program: string, network?: HostNetwork) {
    this.network = network;
    this.records = records;
    this.program = program;
  }

  path = (veeId: VeeId, file: string): string => join(this.records.folder(veeId), file);

  kept = (veeId: VeeId): Promise<KeptMachine | undefined> =>
    readJson<KeptMachine>(this.path(veeId, 'machine.json'));

  keep = (veeId: VeeId, machine: KeptMachine): Promise<void> =>
    writeJson(this.path(veeId, 'machine.json'), machine);

  /**
   * Begins the process and waits until it answers. Of one that runs there can't be a second: its file of the pid is locked.
   * @param stateFd what it inherits as its third descriptor, to read its memory from
   * @throws SluiceError `driver-failed` with QEMU's own words
   */
  async spawn(
    veeId: VeeId,
    layout: Layout,
    image: QemuImage,
    begin: Begin = {},
    stateFd?: number,
  ): Promise<QmpClient> {
    await this.keep(veeId, { layout });
    const taps = await this.plug(veeId, begin.incoming !== undefined);
    const folder = this.records.folder(veeId);
    const errors = await open(join(folder, FILES.errors), 'w');
    let child: ChildProcess;
    try {
      // In the host's own namespace where its networks are; else QEMU would not find them.
      const [program = '', ...args] = [
        ...(taps.length > 0 ? (this.network?.prefix ?? []) : []),
        this.program,
      ];
      child = spawn(program, [...args, ...commandLine(layout, image, { ...begin, taps })], {
        cwd: folder,
        detached: true,
        stdio: ['ignore', errors.fd, errors.fd, ...(stateFd === undefined ? [] : [stateFd])],
      });
    } finally {
      await errors.close();
    }
    child.unref();
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error('it ended at once')));
    });
    failed.catch(() => undefined);
    try {
      return await Promise.race([failed, this.answering(veeId, layout, child)]);
    } catch (cause) {
      child.kill('SIGKILL');
      const said = (await tailOf(join(folder, FILES.errors), 3)).join(' ');
      throw new SluiceError('driver-failed', `QEMU could not begin: ${said || (cause as Error).message}`, {
        cause,
      });
    }
  }

  /** @returns the interfaces that it is begun with, in the order of its networks */
  private async plug(veeId: VeeId, goesOn: boolean): Promise<readonly string[]> {
    const vee = await this.records.get(veeId);
    return vee && this.network ? this.network.attachMachine(vee.spec, goesOn) : [];
  }

  private async answering(veeId: VeeId, layout: Layout, { pid = 0 }: ChildProcess): Promise<QmpClient> {
    const startTime = await startTimeOf(pid);
    if (startTime !== undefined) await this.keep(veeId, { layout, process: { pid, startTime } });
    const until = Date.now() + SPAWN_MILLIS;
    for (;;) {
      try {
        return await this.qmp(veeId);
      } catch (error) {
        if (Date.now() >= until) throw error;
        await delay(POLL_MILLIS);
      }
    }
  }

  /** The process of a VEE: the one that was recorded, or, had the agent no time for that, the one in its folder. */
  async find(veeId: VeeId): Promise<ProcessIdentity | undefined> {
    const recorded = (await this.kept(veeId))?.process;
    if (recorded) return (await isAlive(recorded)) ? recorded : undefined;
    const pid = Number(await readFile(this.path(veeId, FILES.pid), 'utf8').catch(() => ''));
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    const startTime = await startTimeOf(pid);
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    const mine = cwd !== undefined && cwd === (await realpath(this.records.folder(veeId)).catch(() => ''));
    return startTime !== undefined && mine ? { pid, startTime } : undefined;
  }

  /**
   * The way to its machine, kept open. By the process's own folder: a path of any length, and of no other process.
   * @throws QmpError `closed` when there is none
   */
  async qmp(veeId: VeeId): Promise<QmpClient> {
    const process = await this.find(veeId);
    if (!process) throw new QmpError('closed', `${veeId} has no QEMU process.`);
    if (this.closed) throw new QmpError('closed', 'This driver was closed.');
    const known = this.clients.get(veeId);
    if (known?.pid === process.pid) {
      const client = await known.client.catch(() => undefined);
      if (client?.isOpen) return client;
      // Only the first to see that makes another: QEMU would let a second one wait for ever.
      if (this.clients.get(veeId) === known) this.clients.delete(veeId);
      return this.qmp(veeId);
    }
    this.forget(veeId);
    const client = QmpClient.connect(`/proc/${process.pid}/cwd/${FILES.qmp}`);
    this.clients.set(veeId, { pid: process.pid, client });
    return client;
  }

  /** QEMU's own word for what the machine does, with its pid; undefined without a process. */
  async run(veeId: VeeId): Promise<{ pid: number; status: string } | undefined> {
    const process = await this.find(veeId);
    if (!process) return undefined;
    for (const until = Date.now() + ANSWER_MILLIS; ; await delay(POLL_MILLIS)) {
      try {
        const { status } = await (await this.qmp(veeId)).execute<{ status: string }>('query-status');
        return { pid: process.pid, status };
      } catch (error) {
        // It may have ended just now, or have just begun, or the connection was lost.
        if (!(await isAlive(process))) return undefined;
        const again = error instanceof QmpError && error.kind === 'closed' && !this.closed;
        if (!again || Date.now() >= until) throw error;
      }
    }
  }

  /** What is recorded, corrected by what is. @throws SluiceError when its QEMU does not answer */
  async live({ spec, state }: KeptVee): Promise<{ state: DriverState; pid?: number }> {
    const found = await this.run(spec.veeId);
    if (!found) return { state: ['ACTIVE', 'PAUSED'].includes(state) ? 'EXITED' : state };
    const { pid, status } = found;
    const runs = status === 'running';
    switch (state) {
      case 'OUTGOING':
        return { state, pid };
      case 'INCOMING':
      case 'SUSPENDED':
      case 'DEFINED':
        return { state: runs ? 'ACTIVE' : state, pid };
      default:
        return { state: liveState(status), pid };
    }
  }

  /** Has a program in the guest opened its end of the agent's line? */
  async agentListens(veeId: VeeId): Promise<boolean> {
    const all = await (await this.qmp(veeId)).execute<{ label: string; 'frontend-open': boolean }[]>(
      'query-chardev',
    );
    return all.some((c) => c.label === AGENT_CHARDEV && c['frontend-open']);
  }

  /** @returns false when the time is over, or the machine is gone */
  async awaitAgent(veeId: VeeId, timeoutMillis: number): Promise<boolean> {
    for (const until = Date.now() + timeoutMillis; ; await delay(4 * POLL_MILLIS)) {
      if (await this.agentListens(veeId).catch(() => false)) return true;
      if (this.closed || Date.now() >= until || !(await this.find(veeId))) return false;
    }
  }

  /** One conversation after the other: the line takes one at a time. @throws SluiceError `driver-failed` without an answer */
  withAgent<T>(veeId: VeeId, timeoutMillis: number, use: (agent: GuestAgent) => Promise<T>): Promise<T> {
    const talk = async () => {
      if (!(await this.awaitAgent(veeId, timeoutMillis)))
        throw new SluiceError('driver-failed', `No agent answers in the guest of ${veeId}.`);
      const pid = (await this.find(veeId))?.pid;
      const agent = await GuestAgent.open(`/proc/${pid}/cwd/${FILES.agent}`, timeoutMillis);
      try {
        return await use(agent);
      } finally {
        agent.close();
      }
    };
    const mine = (this.agentQueues.get(veeId) ?? Promise.resolve()).then(talk, talk);
    const settled = mine
      .catch(() => undefined)
      .then(() => {
        if (this.agentQueues.get(veeId) === settled) this.agentQueues.delete(veeId);
      });
    this.agentQueues.set(veeId, settled);
    return mine;
  }

  /** Ends the process, if there is one: asked first where it has some time, then told, then killed. */
  async end(veeId: VeeId, graceMillis: number): Promise<void> {
    const process = await this.find(veeId);
    if (process) {
      if (graceMillis > 0)
        // Somebody may be talking to the guest just now, which is no reason to wait longer than it may take.
        await Promise.race([
          this.askToEnd(veeId, process, graceMillis).catch(() => undefined),
          gone(process, graceMillis),
        ]);
      if (await isAlive(process)) {
        // It writes out what its disk still holds.
        const qmp = await this.qmp(veeId).catch(() => undefined);
        await qmp?.execute('quit', undefined, QUIT_MILLIS).catch(() => undefined);
        if (!qmp || !(await gone(process, QUIT_MILLIS))) kill(process);
      }
      if (!(await gone(process, KILLED_MILLIS)))
        throw new SluiceError('driver-failed', `The QEMU process of ${veeId} can't be ended.`);
    }
    this.forget(veeId);
    const vee = this.network && (await this.records.get(veeId));
    if (vee) await this.network?.detach('tap', vee.spec);
    const kept = await this.kept(veeId);
    if (kept?.process) await this.keep(veeId, { layout: kept.layout });
    await rm(this.path(veeId, FILES.pid), { force: true });
  }

  private async askToEnd(veeId: VeeId, process: ProcessIdentity, graceMillis: number): Promise<void> {
    const until = Date.now() + graceMillis;
    const qmp = await this.qmp(veeId);
    await qmp.execute('cont');
    if (await this.agentListens(veeId))
      await this.withAgent(veeId, graceMillis, async (agent) => {
        agent.shutdown();
        await gone(process, until - Date.now());
      });
    else {
      await qmp.execute('system_powerdown');
      await gone(process, until - Date.now());
    }
  }

  private forget(veeId: VeeId): void {
    this.clients.get(veeId)?.client.then(
      (c) => c.close(),
      () => undefined,
    );
    this.clients.delete(veeId);
  }

  close(): void {
    this.closed = true;
    for (const veeId of [...this.clients.keys()]) this.forget(veeId);
  }
}

export function liveState(status: string): DriverState {
  switch (status) {
    case 'running':
    // Its last state is being sent to a file, or the guest sleeps by itself.
    case 'finish-migrate':
    case 'suspended':
      return 'ACTIVE';
    case 'shutdown':
    case 'guest-panicked':
    case 'internal-error':
      return 'EXITED';
    default:
      return 'PAUSED';
  }
}
