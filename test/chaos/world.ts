import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, type ProcessIdentity, startTimeOf } from '../../drivers/lib/process-identity';
import type { SimulatorFault, SimulatorScript } from '../../drivers/simulator/script';
import type { Json } from '../support/json';
import type { TestSite } from '../support/site';

/** What exists, as a client saw it last; oldest first, so that a number keeps meaning the same one for a while. */
export interface View {
  readonly services: readonly Json[];
  readonly vees: readonly Json[];
}

export type FaultOf = Omit<SimulatorFault, 'verb' | 'call'> & { readonly always?: boolean };

interface Write {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly key: string;
}

/** What became of one step: `moot` when there was nothing that it could be done to. */
export type Did =
  | { readonly outcome: 'done' | 'moot' | 'unanswered'; readonly about?: string }
  | { readonly outcome: 'started'; readonly about?: string; readonly operationId: string }
  | { readonly outcome: 'refused'; readonly about?: string; readonly code: string };

const READ_MILLIS = 1_000;
const WRITE_MILLIS = 2_000;

/** The site under test as the steps see it: what exists, what was asked for, and which faults are in force. */
export class World {
  readonly site: TestSite;
  view: View = { services: [], vees: [] };
  /** Operations that were asked for since the last settle. */
  startedOperations: string[] = [];
  readonly violations: string[] = [];
  /** How many of the faults that were laid in wait were met by a call, by kind. */
  readonly struck: Record<string, number> = {};
  private readonly placed: { kind: string; hostId: string; verb: string; next: number }[] = [];
  private readonly scripts = new Map<string, SimulatorScript>();
  private readonly hung = new Set<string>();
  private readonly stopped = new Map<string, ProcessIdentity>();
  private readonly answered: { write: Write; operationId: string }[] = [];
  private unanswered: Write[] = [];

  constructor(site: TestSite) {
    this.site = site;
  }

  /** The hosts whose drivers have been told to do something wrong. */
  get faulty(): string[] {
    return [...this.scripts.keys()];
  }

  get faultyOrAny(): string[] {
    return this.scripts.size > 0 ? this.faulty : this.site.hostIds;
  }

  get agents(): string[] {
    return this.site.system.options.agents.map((a) => a.id);
  }

  /** @returns undefined when the API does not answer in time, or says that it can't */
  async read(path: string): Promise<Json | undefined> {
    const reply = await this.send({ method: 'GET', path }, READ_MILLIS);
    return reply?.status === 200 ? reply.body : undefined;
  }

  async refresh(): Promise<void> {
    const list = async (path: string) => (await this.read(path))?.items as Json[] | undefined;
    const [services, vees] = await Promise.all([
      Promise.all(['operating', 'suspended'].map((p) => list(`/v1/services?limit=200&phase=${p}`))),
      Promise.all(['ACTIVE', 'PAUSED', 'SUSPENDED'].map((s) => list(`/v1/vees?limit=200&state=${s}`))),
    ]);
    // An API that is away leaves what was known: clients go on asking for that.
    if ([...services, ...vees].includes(undefined)) return;
    const oldestFirst = (lists: (Json[] | undefined)[]) =>
      lists.flatMap((l) => l ?? []).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    this.view = { services: oldestFirst(services), vees: oldestFirst(vees) };
  }

  /** Makes a write as a careful client does: under a key, so that one that was not answered can be repeated. */
  async write(write: Write, about?: string): Promise<Did> {
    const did = await this.attempt(write);
    if (!did) this.unanswered.push(write);
    return { ...(did ?? { outcome: 'unanswered' }), ...(about ? { about } : {}) };
  }

  /** The same write under the same key: one effect, one answer. */
  async repeat(pick: number): Promise<Did> {
    const before = this.answered[pick % this.answered.length];
    if (!before) return { outcome: 'moot' };
    const again = await this.attempt(before.write);
    if (!again) return { outcome: 'unanswered', about: before.operationId };
    const same = again.outcome === 'started' && again.operationId === before.operationId;
    if (!same)
      this.violations.push(
        `5: ${before.write.path} was answered with ${before.operationId}, and under the same key with ${JSON.stringify(again)}`,
      );
    return { ...again, about: before.operationId };
  }

  /** Repeats what was never answered until it is. */
  async repeatUnanswered(deadline: number): Promise<void> {
    const writes = this.unanswered;
    this.unanswered = [];
    for (const write of writes) {
      while (!(await this.attempt(write))) {
        if (Date.now() > deadline) {
          this.violations.push(`9: ${write.method} ${write.path} is not answered though all is well again`);
          break;
        }
        await delay(200);
      }
    }
  }

  /** Makes a host slow, beside whatever else is wrong with it. */
  async slowDown(hostId: string, latencyMillis: SimulatorScript['latencyMillis']): Promise<void> {
    await this.addScript(hostId, { latencyMillis: { ...latencyMillis } });
  }

  /**
   * A fault in each of some verbs of one host, at the next call of it or at every call. A fault in one verb of one
   * host of thirty would hardly ever meet an operation.
   */
  async addFault(kind: string, hostId: string, verbs: readonly string[], fault: FaultOf): Promise<void> {
    const calls = await this.site.calls(hostId);
    const faults = verbs.map((verb) => {
      const next = (calls[verb] ?? 0) + 1;
      this.placed.push({ kind, hostId, verb, next });
      return { ...fault, verb, call: fault.always ? 0 : next };
    });
    if (fault.do === 'hang') this.hung.add(hostId);
    await this.addScript(hostId, { faults });
  }

  private async addScript(hostId: string, change: SimulatorScript): Promise<void> {
    const known = this.scripts.get(hostId) ?? {};
    const script: SimulatorScript = {
      latencyMillis: { ...known.latencyMillis, ...change.latencyMillis },
      faults: [...(known.faults ?? []), ...(change.faults ?? [])],
    };
    this.scripts.set(hostId, script);
    await this.site.script(hostId, script);
  }

  kill(name: string): Did {
    const { pid } = this.site.system.child(name);
    if (pid === undefined) return { outcome: 'moot', about: name };
    this.stopped.delete(name);
    process.kill(pid, 'SIGKILL');
    return { outcome: 'done', about: name };
  }

  /** Stops a process in its tracks for a while; the run goes on meanwhile. */
  async halt(name: string, millis: number): Promise<Did> {
    const { pid } = this.site.system.child(name);
    const startTime = pid && (await startTimeOf(pid));
    if (!pid || !startTime || this.stopped.has(name)) return { outcome: 'moot', about: name };
    const identity = { pid, startTime };
    this.stopped.set(name, identity);
    process.kill(pid, 'SIGSTOP');
    setTimeout(() => {
      if (this.stopped.get(name) === identity) this.proceed(name).catch(() => undefined);
    }, millis).unref();
    return { outcome: 'done', about: `${name} for ${millis} ms` };
  }

  /** Ends every fault that is in force: after it the site has all that it needs. */
  async heal(): Promise<void> {
    for (const { kind, hostId, verb, next } of this.placed.splice(0))
      if (((await this.site.calls(hostId))[verb] ?? 0) >= next)
        this.struck[kind] = (this.struck[kind] ?? 0) + 1;
    for (const name of [...this.stopped.keys()]) await this.proceed(name);
    for (const hostId of this.scripts.keys()) await this.site.script(hostId);
    this.scripts.clear();
    // What hangs inside an agent ends with it alone.
    const { agents } = this.site.system.options;
    for (const agent of agents) if (agent.hosts.some((h) => this.hung.has(h.id))) this.kill(agent.id);
    this.hung.clear();
  }

  private async proceed(name: string): Promise<void> {
    const identity = this.stopped.get(name);
    this.stopped.delete(name);
    // Killed meanwhile, perhaps, and its number given to a stranger.
    if (identity && (await isAlive(identity))) process.kill(identity.pid, 'SIGCONT');
  }

  private async attempt(write: Write): Promise<Did | undefined> {
    const reply = await this.send(write, WRITE_MILLIS);
    if (!reply) return undefined;
    const { status, body } = reply;
    if (body?.code === 'internal')
      this.violations.push(
        `API: ${write.method} ${write.path} was answered ${status} ${JSON.stringify(body)}`,
      );
    if (status >= 500) return undefined;
    if (status === 202) {
      if (!this.startedOperations.includes(body.id)) this.startedOperations.push(body.id);
      if (!this.answered.some((a) => a.operationId === body.id))
        this.answered.push({ write, operationId: body.id });
      return { outcome: 'started', operationId: body.id };
    }
    return status < 300 ? { outcome: 'done' } : { outcome: 'refused', code: body?.code ?? String(status) };
  }

  /** @returns undefined when there was no whole answer in time */
  private async send(
    { method, path, body, key }: Omit<Write, 'key'> & { key?: string },
    millis: number,
  ): Promise<{ status: number; body: Json } | undefined> {
    const { apiUrl, token } = this.site.system.access;
    try {
      const response = await fetch(new URL(path, apiUrl), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(key ? { 'Idempotency-Key': key } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(millis),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
    } catch {
      return undefined;
    }
  }
}
