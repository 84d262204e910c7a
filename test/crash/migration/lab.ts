import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { VeeId } from '../../../domain/ids';
import type { Driver, ExecResult, VeeSpec, VeeStatus } from '../../../drivers/contract';
import type { HostIdentity } from '../../../drivers/lib/host-identity';
import { certifiedHosts } from '../../support/certified';
import { specFor } from '../../support/specs';
import type { Begin, Call, Told } from './agent';

const AGENT = join(process.cwd(), 'dist', 'test', 'crash', 'migration', 'agent.js');
/** An agent that dies is replaced; what it was asked is asked again so often. */
const ATTEMPTS = 3;
const BOOT_MILLIS = 60_000;

/** An agent in a process of its own, which is begun again whenever it is needed and not there. */
export class Agent {
  readonly dataDir: string;
  private readonly identity: HostIdentity;
  private readonly onPhase: (phase: string) => Promise<void>;
  private child: ChildProcess | undefined;
  private readonly calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private serial = 0;

  constructor(identity: HostIdentity, dataDir: string, onPhase: (phase: string) => Promise<void>) {
    this.identity = identity;
    this.dataDir = dataDir;
    this.onPhase = onPhase;
  }

  async ask<V extends keyof Driver>(verb: V, ...args: readonly unknown[]): Promise<unknown> {
    if (!this.child) await this.begin();
    return this.send({ id: ++this.serial, verb, args });
  }

  /** Until it is done, by whichever agent is there then. */
  async insist<V extends keyof Driver>(verb: V, ...args: readonly unknown[]): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.ask(verb, ...args);
      } catch (error) {
        if (attempt >= ATTEMPTS) throw error;
        await delay(100);
      }
    }
  }

  kill(): void {
    this.child?.kill('SIGKILL');
  }

  /** Of the machine's process here. */
  async pid(veeId: VeeId): Promise<number> {
    return Number(await readFile(join(this.dataDir, 'vees', veeId, 'qemu.pid'), 'utf8'));
  }

  private async begin(): Promise<void> {
    const { credentials, ...identity } = this.identity;
    const own = credentials();
    if (!own) throw new Error('no certificate');
    const begin: Begin = { identity, credentials: own, dataDir: this.dataDir };
    const child = fork(AGENT, [JSON.stringify(begin)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.child = child;
    const ready = new Promise((resolve, reject) => this.calls.set(0, { resolve, reject }));
    child.once('exit', () => {
      if (this.child === child) this.child = undefined;
      for (const { reject } of this.calls.values()) reject(new Error('The agent died.'));
      this.calls.clear();
    });
    child.on('message', (told: Told) => {
      if ('phase' in told) {
        void this.onPhase(told.phase).then(() => child.connected && child.send('go', () => undefined));
        return;
      }
      const call = this.calls.get(told.id);
      this.calls.delete(told.id);
      if (told.error === undefined) call?.resolve(told.result);
      else call?.reject(new Error(told.error));
    });
    await ready;
  }

  private send(call: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.calls.set(call.id, { resolve, reject });
      this.child?.send(call, (error) => error && reject(error));
    });
  }
}

export type Side = 'source' | 'target';

/** Two hosts and one machine, which moves from one to the other and back while things are killed. */
export class Lab {
  private readonly folder: string;
  private readonly agents: readonly [Agent, Agent];
  private readonly sum: { value: string } = { value: '' };
  private at = 0;
  private epoch = 1;
  vee: VeeSpec;
  onPhase: (phase: string) => Promise<void> = async () => undefined;

  private constructor(folder: string, identities: readonly [HostIdentity, HostIdentity]) {
    this.folder = folder;
    const agent = (identity: HostIdentity) =>
      new Agent(identity, join(folder, identity.hostId), (phase) => this.onPhase(phase));
    this.agents = [agent(identities[0]), agent(identities[1])];
    this.vee = specFor(`vee-lab-${process.pid}`, {
      image: 'sluice-guest',
      capacity: { cpuMillis: 500, memoryMiB: 96, diskMiB: 24, bandwidthKbps: 0 },
    });
  }

  static async open(): Promise<Lab> {
    const { a, b } = await certifiedHosts(['a', 'b']);
    const lab = new Lab(await mkdtemp(join(tmpdir(), 'sluice-lab-')), [a, b]);
    await lab.agent('source').insist('define', lab.vee);
    await lab.agent('source').insist('start', lab.vee);
    await lab.inside('head -c 1000000 /dev/urandom > /data/random; sync');
    lab.sum.value = await lab.checksum();
    return lab;
  }

  agent(side: Side): Agent {
    return this.agents[(this.at + (side === 'source' ? 0 : 1)) % 2] as Agent;
  }

  /** No attempt has the epoch of another, also of one that was undone. */
  nextEpoch(): number {
    return ++this.epoch;
  }

  /** The VEE is on its target now, which is the next one's source. */
  moved(vee: VeeSpec): void {
    this.at++;
    this.vee = vee;
  }

  /** What a shell in the guest says; one that is booting is waited for. */
  async inside(script: string): Promise<string> {
    for (const until = Date.now() + BOOT_MILLIS; ; await delay(200)) {
      try {
        const command = ['/bin/sh', '-c', script];
        const { stdout } = (await this.agent('source').ask('exec', this.vee, command, 5_000)) as ExecResult;
        return stdout.trim();
      } catch (error) {
        if (Date.now() >= until) throw error;
      }
    }
  }

  counter = async (): Promise<number> =>
    Number(await this.inside('until [ -n "$n" ]; do n=$(cat /run/counter); done; echo $n'));

  private checksum = (): Promise<string> =>
    this.inside(
      'until [ -s /data/random ]; do sleep 0.1; done; echo 3 > /proc/sys/vm/drop_caches; md5sum /data/random',
    );

  /** @returns what is wrong: anything but exactly one copy, which runs here and has its disk as it was */
  async findings(): Promise<string[]> {
    const found: string[] = [];
    const [here, there] = await Promise.all(
      (['source', 'target'] as const).map((side) => this.agent(side).insist('list') as Promise<VeeStatus[]>),
    );
    if (here?.length !== 1 || here[0]?.state !== 'ACTIVE')
      found.push(`where it should be there is ${JSON.stringify(here?.map((v) => v.state))}`);
    if (there?.length !== 0) found.push(`elsewhere there is ${JSON.stringify(there?.map((v) => v.state))}`);
    const processes = await this.processes();
    if (processes.length !== 1) found.push(`${processes.length} QEMU processes`);
    if ((await this.checksum()) !== this.sum.value) found.push('its disk has changed');
    return found;
  }

  async close(): Promise<void> {
    for (const agent of this.agents) {
      await agent.insist('destroy', { ...this.vee, epoch: this.epoch + 1 }).catch(() => undefined);
      agent.kill();
    }
    for (const pid of await this.processes()) process.kill(pid, 'SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  /** All processes that run in a folder of this lab, whoever knows of them. */
  private async processes(): Promise<number[]> {
    const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
    const inFolder = await Promise.all(
      pids.map(async (pid) => {
        const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
        return cwd.startsWith(this.folder) && existsSync(`/proc/${pid}/exe`) ? [pid] : [];
      }),
    );
    return inFolder.flat();
  }
}
