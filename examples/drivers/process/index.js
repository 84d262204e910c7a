// A driver that runs each VEE as plain processes of this machine. It isolates nothing: an example, which really runs them.
const { spawn } = require('node:child_process');
const { mkdir, open, readdir, readFile } = require('node:fs/promises');
const { join } = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');

exports.contract = 1;

exports.createDriver = async (config, kit) => {
  const records = new kit.VeeRecords(config.dataDir);
  await records.open();
  return new ProcessDriver(config, kit, records);
};

const CAPABILITIES = {
  ...{ pause: true, suspend: false, liveResize: false, migration: 'none', exec: true, logs: true },
  enforces: { cpu: false, memory: false, disk: false },
};
const IDLE = ['sleep', '2147483647'];
/** Every process of a VEE has it in its environment, whatever became of the agent that began it. */
const MARK = 'SLUICE_PROCESS_FOLDER';

class ProcessDriver {
  name = 'process';

  constructor(config, kit, records) {
    Object.assign(this, { config, kit, records });
  }

  async fingerprint() {
    const found = { cpuMillis: 1_000, memoryMiB: 512, diskMiB: 1_024, bandwidthKbps: 1_000_000 };
    return {
      driver: this.name,
      description: 'Plain processes, which nothing keeps apart.',
      real: true,
      capabilities: CAPABILITIES,
      capacity: this.config.capacity ?? found,
      images: ['host'],
      attributes: { kernel: (await readFile('/proc/sys/kernel/osrelease', 'utf8')).trim() },
    };
  }

  define(spec) {
    return this.records.exclusively(spec.veeId, async () => {
      const existing = await this.records.checkFence(spec, true);
      if (spec.template.image !== 'host')
        throw new this.kit.SluiceError('image-unknown', `This host has no image "${spec.template.image}".`);
      if (existing?.spec.epoch === spec.epoch) return;
      if (existing) await this.end(spec.veeId, 0);
      await mkdir(this.folder(spec.veeId), { recursive: true });
      // The record is written last: what is not recorded has been given no devices.
      await this.records.giving(spec, this.config.devices ?? {}, (given) =>
        this.records.put({ spec, state: 'DEFINED', ...given }),
      );
    });
  }

  start = (ref) =>
    this.acting(ref, async (vee) => {
      if (vee.state === 'ACTIVE') return;
      this.kit.requireState(vee, 'start', ['DEFINED', 'EXITED']);
      // What an agent had begun that died before it could record it.
      await this.end(ref.veeId, 0);
      await this.begin(vee);
      await this.records.put({ ...vee, state: 'ACTIVE' });
    });

  pause = (ref) => this.signal(ref, 'pause', 'ACTIVE', 'PAUSED', 'SIGSTOP');
  resume = (ref) => this.signal(ref, 'resume', 'PAUSED', 'ACTIVE', 'SIGCONT');

  stop = (ref, graceMillis) =>
    this.acting(ref, async (vee) => {
      if (vee.state === 'DEFINED') return;
      this.kit.requireState(vee, 'stop', ['ACTIVE', 'PAUSED', 'EXITED']);
      await this.end(ref.veeId, graceMillis);
      await this.records.put({ ...vee, state: 'DEFINED' });
    });

  destroy(ref) {
    return this.records.exclusively(ref.veeId, async () => {
      await this.records.checkFence(ref);
      await this.records.raiseFence(ref, true);
      await this.end(ref.veeId, 0);
      await this.records.remove(ref.veeId);
    });
  }

  resize = (ref, capacity) =>
    this.acting(ref, async (vee) => {
      this.kit.requireState(vee, 'resize', ['ACTIVE', 'DEFINED']);
      if (vee.state === 'ACTIVE') throw this.missing('resize what runs');
      await this.records.put({
        ...vee,
        spec: { ...vee.spec, template: { ...vee.spec.template, capacity } },
      });
    });

  async inspect(veeId) {
    const vee = await this.records.get(veeId);
    return vee && this.status(vee);
  }

  list = async () => Promise.all((await this.records.all()).map((vee) => this.status(vee)));

  async measure(veeIds) {
    const vees = new Map();
    for (const veeId of veeIds) {
      const used = await Promise.all((await this.processes(veeId)).map((p) => this.kit.processUsage(p.pid)));
      const known = used.filter((u) => u !== undefined);
      const sum = (name) => known.reduce((total, u) => total + u[name], 0);
      if (known.length > 0) vees.set(veeId, { cpuMicros: sum('cpuMicros'), memoryMiB: sum('memoryMiB') });
    }
    return { vees };
  }

  async logs(veeId, tailLines) {
    if (!(await this.records.get(veeId))) throw this.notFound(veeId);
    return this.kit.tailOf(join(this.folder(veeId), 'console.log'), tailLines);
  }

  exec = async (ref, command, timeoutMillis = 10_000) => {
    const vee = await this.live(await this.records.acting(ref));
    this.kit.requireState(vee, 'exec', ['ACTIVE']);
    const { exitCode, stdout } = await this.kit
      .run(command, { timeoutMillis, cwd: this.folder(ref.veeId) })
      .catch(() => ({ exitCode: 127, stdout: '' }));
    return { exitCode, stdout };
  };

  async recover() {
    const report = { adopted: [], ended: [], unknown: [] };
    for (const { spec } of await this.records.all())
      try {
        await this.records.checkFence(spec);
        report.adopted.push(spec.veeId);
      } catch {
        await this.end(spec.veeId, 0);
        await this.records.remove(spec.veeId);
        report.ended.push(spec.veeId);
      }
    return report;
  }

  suspend = async () => Promise.reject(this.missing('suspend'));
  restore = async () => Promise.reject(this.missing('restore'));
  prepareTarget = async () => Promise.reject(this.missing('migrate'));
  send = async () => Promise.reject(this.missing('migrate'));
  switchOver = async () => Promise.reject(this.missing('migrate'));
  finish = (ref) => this.destroy(ref);
  cancel = (ref, side) => (side === 'target' ? this.destroy(ref) : Promise.resolve());
  close = async () => undefined;

  folder = (veeId) => this.records.folder(veeId);
  missing = (what) => new this.kit.SluiceError('capability-missing', `Processes can't ${what}.`);
  notFound = (veeId) => new this.kit.SluiceError('not-found', `This host has no VEE ${veeId}.`);

  acting(ref, verb) {
    return this.records.exclusively(ref.veeId, async () =>
      verb(await this.live(await this.records.acting(ref))),
    );
  }

  signal = (ref, verb, from, to, signal) =>
    this.acting(ref, async (vee) => {
      if (vee.state === to) return;
      this.kit.requireState(vee, verb, [from]);
      for (const { pid } of await this.processes(ref.veeId)) tell(pid, signal);
      await this.records.put({ ...vee, state: to });
    });

  async begin({ spec, devices }) {
    const folder = this.folder(spec.veeId);
    const told = this.kit.contextOf(spec);
    const [program, ...args] = spec.template.command.length > 0 ? spec.template.command : IDLE;
    const log = await open(join(folder, 'console.log'), 'a');
    const child = spawn(program, args, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: {
        PATH: process.env.PATH,
        ...told.environment,
        [MARK]: folder,
        DEVICES: JSON.stringify(devices ?? {}),
      },
    });
    try {
      await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    } catch (cause) {
      throw new this.kit.SluiceError('driver-refused', `${program} can't be started.`, { cause });
    } finally {
      await log.close();
    }
    child.unref();
  }

  async end(veeId, graceMillis) {
    for (const [signal, millis] of [
      ...(graceMillis > 0 ? [['SIGTERM', graceMillis]] : []),
      ['SIGKILL', 5_000],
    ]) {
      const until = Date.now() + millis;
      for (const { pid } of await this.processes(veeId)) {
        tell(pid, signal);
        tell(pid, 'SIGCONT');
      }
      while ((await this.processes(veeId)).length > 0 && Date.now() < until) await delay(20);
    }
    if ((await this.processes(veeId)).length > 0)
      throw new this.kit.SluiceError('driver-failed', `${veeId} can't be ended.`);
  }

  /** What is recorded, corrected by what is. */
  async live(vee) {
    if (vee.state === 'DEFINED') return vee;
    const found = await this.processes(vee.spec.veeId);
    if (found.length === 0) return { ...vee, state: 'EXITED' };
    return { ...vee, state: found.every((p) => p.stopped) ? 'PAUSED' : 'ACTIVE', pid: found[0].pid };
  }

  async status(vee) {
    const { pid, ...seen } = await this.live(vee);
    const { readiness } = vee.spec.template;
    const ready =
      seen.state === 'ACTIVE' &&
      (readiness.kind === 'running' ||
        (await this.kit.run(readiness.command, { cwd: this.folder(vee.spec.veeId) }).catch(() => ({})))
          .exitCode === 0);
    return this.kit.statusOf(seen, ready, pid);
  }

  async processes(veeId) {
    const mark = `${MARK}=${this.folder(veeId)}`;
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(
      pids.map(async (pid) => {
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
        if (!environment.split('\0').includes(mark)) return [];
        const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
        const state = stat.slice(stat.lastIndexOf(')') + 2)[0];
        return state === undefined || 'ZX'.includes(state)
          ? []
          : [{ pid: Number(pid), stopped: state === 'T' }];
      }),
    );
    return found.flat().sort((a, b) => a.pid - b.pid);
  }
}

function tell(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
