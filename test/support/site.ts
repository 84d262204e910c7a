import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { derivedEntropy } from '../../domain/derived-entropy';
import { makeOperationId, type OperationId } from '../../domain/ids';
import { inChunks } from '../../domain/in-chunks';
import { readJson, writeJson } from '../../drivers/lib/atomic-file';
import type { SimulatorScript } from '../../drivers/simulator/script';
import type { Fault } from '../../process/fault-points';
import { digestOf } from '../../store/identities';
import { type AgentPlan, System, type SystemEvent, type SystemOptions } from '../../supervisor/system';
import { Faults, type Step, stepsOf } from './faults';
import { disagreements, type HeldVee, readHostFolders, runningTwice } from './host-folders';
import type { Json } from './json';

export interface TestSiteOptions {
  readonly hosts?: number;
  readonly driver?: string;
  readonly agents?: readonly AgentPlan[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: SystemOptions['ports'];
  /** Engines of its own, which may be killed, instead of those that all tests share. */
  readonly ownEngines?: boolean;
}

export interface Reply<T = Record<string, never>> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
}

const BIG = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };

/** A real site for a test: its own processes and database, in the engines that all tests share or in its own. */
export class TestSite {
  readonly system: System;
  readonly faults: Faults;
  readonly dataDir: string;
  readonly events: SystemEvent[];
  /** Of every write, in a view made by `withKey`. */
  private readonly idempotencyKey: string | undefined = undefined;

  private constructor(system: System, faults: Faults, dataDir: string, events: SystemEvent[]) {
    this.system = system;
    this.faults = faults;
    this.dataDir = dataDir;
    this.events = events;
  }

  static async start(options: TestSiteOptions = {}): Promise<TestSite> {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-site-'));
    const faults = new Faults(join(dataDir, 'faults'));
    await mkdir(faults.folder);
    const id = `t${randomBytes(5).toString('hex')}`;
    const events: SystemEvent[] = [];
    const hosts = Array.from({ length: options.hosts ?? 3 }, (_, i) => ({
      id: `host-${i + 1}`,
      driver: options.driver ?? 'simulator',
      zone: `zone-${i + 1}`,
      labels: { rack: `r${i + 1}` },
      capacity: BIG,
    }));
    if (options.ownEngines) forgetSharedEngines();
    const system = await System.start({
      dataDir,
      siteId: id,
      database: `sluice_${id}`,
      agents: options.agents ?? [{ id: 'agent', hosts }],
      ports: { api: 0, temporal: 0, temporalUi: 0, mongodb: 0, ...options.ports },
      environment: {
        SLUICE_FAULTS_DIR: faults.folder,
        // What mends by itself would hide what a test is about: tests that want it say so.
        SLUICE_RECONCILE_MILLIS: '0',
        SLUICE_LEASES_MILLIS: '0',
        SLUICE_HEARTBEAT_MILLIS: '250',
        SLUICE_ATTEMPT_MILLIS: '5000',
        SLUICE_GIVE_UP_MILLIS: '15000',
        SLUICE_UNDO_GIVE_UP_MILLIS: '15000',
        ...options.environment,
      },
      onEvent: (event) => events.push(event),
    });
    const site = new TestSite(system, faults, dataDir, events);
    await site.post('/v1/tenants', { id: 'acme' });
    return site;
  }

  async stop(): Promise<void> {
    await this.system.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /**
   * This site, as a client whose next write carries that key: with it the operation's id is known before the
   * operation is asked for, and the same request may be sent again. One key is good for one write.
   */
  withKey(key: string): TestSite {
    return Object.assign(Object.create(this) as TestSite, { idempotencyKey: key });
  }

  /** The id that the API derives from the operator's token and a key. */
  operationIdOf(key: string): OperationId {
    return makeOperationId(derivedEntropy('idempotency', digestOf(this.system.access.token), key));
  }

  async send(
    method: string,
    path: string,
    options: { body?: unknown; token?: string | null; headers?: Record<string, string>; raw?: boolean } = {},
  ): Promise<Reply<Json>> {
    const { body, token = this.system.access.token, headers = {}, raw = false } = options;
    const text = raw ? (body as string) : body === undefined ? undefined : JSON.stringify(body);
    const response = await fetch(new URL(path, this.system.access.apiUrl), {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.idempotencyKey === undefined || method === 'GET'
          ? {}
          : { 'Idempotency-Key': this.idempotencyKey }),
        ...headers,
      },
      ...(text === undefined ? {} : { body: text }),
    });
    const answer = await response.text();
    let parsed: Json;
    try {
      parsed = JSON.parse(answer);
    } catch {
      parsed = answer;
    }
    return { status: response.status, body: parsed, headers: response.headers };
  }

  get(path: string, token?: string | null): Promise<Reply<Json>> {
    return this.send('GET', path, token === undefined ? {} : { token });
  }

  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply<Json>> {
    return this.send('POST', path, { body, ...(headers ? { headers } : {}) });
  }

  delete(path: string): Promise<Reply<Json>> {
    return this.send('DELETE', path);
  }

  apply(manifest: unknown, headers?: Record<string, string>): Promise<Reply<Json>> {
    return this.post('/v1/services?tenant=acme', manifest, headers);
  }

  /** The operation once it has ended or is stuck. */
  async ended(id: string, timeoutMillis = 40_000): Promise<Json> {
    return this.until(`operation ${id} ends`, timeoutMillis, async () => {
      const { body, status } = await this.get(`/v1/operations/${id}`).catch(() => ({ body: {}, status: 0 }));
      // What can't be decided by anybody is an end, and is told as that or not yet.
      if (body.state === 'stuck' && body.endedAt === undefined && body.stuck?.choices.length === 0)
        throw new Error(`operation ${id} waits, and there is nothing to choose`);
      return status === 200 && (body.endedAt !== undefined || body.state === 'stuck') ? body : undefined;
    });
  }

  async done(reply: Reply<Json>): Promise<Json> {
    if (reply.status !== 202) throw new Error(`not started: ${reply.status} ${JSON.stringify(reply.body)}`);
    const operation = await this.ended(reply.body.id);
    if (operation.state !== 'completed')
      throw new Error(
        `${operation.kind} ended ${operation.state}: ${JSON.stringify(operation.error ?? operation.stuck)}`,
      );
    return operation;
  }

  async until<T>(what: string, timeoutMillis: number, look: () => Promise<T | undefined>): Promise<T> {
    const began = Date.now();
    for (;;) {
      const seen = await look();
      if (seen !== undefined) return seen;
      const waited = Date.now() - began;
      if (waited > timeoutMillis) throw new Error(`timed out after ${timeoutMillis} ms: ${what}`);
      // Many may wait at once: who has waited long looks less often.
      await delay(Math.min(300, Math.max(25, waited / 6)));
    }
  }

  async vees(serviceId: string, living = true): Promise<Json[]> {
    const { body } = await this.get(`/v1/vees?service=${serviceId}&limit=200`);
    return living ? body.items.filter((v: Json) => v.state !== 'DESTROYED') : body.items;
  }

  /** What the simulators really hold, read from their folders rather than from what anybody reports. */
  onHosts = (): Promise<HeldVee[]> => readHostFolders(this.dataDir);

  /** All invariants, by the product's own check and by a look at the hosts. Waits until hosts have reported since. */
  async violations(): Promise<string[]> {
    const asked = Date.now();
    // A report is dated back by as long as it may have been under way.
    await this.until('every host that answers has reported', 15_000, async () => {
      const { body, status } = await this.get('/v1/hosts?limit=200');
      const late = (h: Json) => h.liveness === 'up' && h.lastHeartbeatAt <= asked + 200;
      return status === 200 && !body.items.some(late) ? true : undefined;
    });
    const { body } = await this.get('/v1/invariants');
    return [...body.violations, ...runningTwice(await this.onHosts())];
  }

  /** Where records and hosts disagree, on all hosts or on some; only while no operation is under way there. */
  async disagreements(on: (hostId: string) => boolean = () => true): Promise<string[]> {
    const recorded = await this.all('/v1/vees');
    const { body } = await this.get('/v1/holdings');
    const there = <T extends { hostId: string }>(items: readonly T[]) => items.filter((i) => on(i.hostId));
    return disagreements(there(await this.onHosts()), there(recorded), there(body.items));
  }

  /** Everything of a list, page by page. */
  async all(path: string): Promise<Json[]> {
    const items: Json[] = [];
    const [resource, query = ''] = path.split('?');
    for (let cursor: string | undefined; ; ) {
      const search = new URLSearchParams(query);
      search.set('limit', '200');
      if (cursor) search.set('cursor', cursor);
      const { status, body } = await this.get(`${resource}?${search}`);
      if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
      items.push(...body.items);
      cursor = body.nextCursor;
      if (cursor === undefined) return items;
    }
  }

  /** The folder of a simulated host, where its script lies. */
  hostFolder(hostId: string): string {
    const agent = this.system.options.agents.find((a) => a.hosts.some((h) => h.id === hostId));
    if (!agent) throw new Error(`no agent has ${hostId}`);
    return join(this.dataDir, 'agents', agent.id, 'hosts', hostId);
  }

  /** How often each verb was called on a simulated host, as far as its script counts them. */
  async calls(hostId: string): Promise<Readonly<Record<string, number>>> {
    return (await readJson<Record<string, number>>(join(this.hostFolder(hostId), 'calls.json'))) ?? {};
  }

  /** The call number by which a script means the next call of a verb on a simulated host. */
  nextCall = async (hostId: string, verb: string) => ((await this.calls(hostId))[verb] ?? 0) + 1;

  /** Tells a simulated host what to do wrong, or with nothing to behave again. */
  async script(hostId: string, script?: SimulatorScript): Promise<void> {
    const path = join(this.hostFolder(hostId), 'script.json');
    if (script) await writeJson(path, script);
    else await rm(path, { force: true });
  }

  get hostIds(): string[] {
    return this.system.options.agents.flatMap((a) => a.hosts.map((h) => h.id));
  }

  /** Ends all services and opens all hosts again. @returns what is left where nothing should be */
  async clean(): Promise<string[]> {
    const { body } = await this.get('/v1/services?limit=200');
    const living = body.items.filter((s: Json) => s.phase !== 'decommissioned');
    for (const some of inChunks(living as Json[], 8))
      await Promise.all(some.map(async (s) => this.done(await this.delete(`/v1/services/${s.id}`))));
    await this.open();
    const vees = (await this.onHosts()).map((v) => `${v.veeId} is ${v.state} on ${v.hostId}`);
    const { items } = (await this.get('/v1/holdings')).body;
    return [...vees, ...items.map((r: Json) => `a reservation is left: ${JSON.stringify(r)}`)];
  }

  /** Ends shutdown and maintenance. */
  private async open(): Promise<void> {
    const hosts = (await this.get('/v1/hosts?limit=200')).body.items.filter((h: Json) => h.cordoned);
    if (hosts.length === 0) return;
    const poweredUp = await this.post('/v1/site/power-up');
    if (poweredUp.status === 202) await this.done(poweredUp);
    for (const { id } of hosts) {
      if ((await this.get(`/v1/hosts/${id}`)).body.maintenance)
        await this.done(await this.post(`/v1/hosts/${id}/restore`));
      await this.post(`/v1/hosts/${id}/uncordon`);
    }
  }

  arm(role: string, ...faults: Fault[]): Promise<string[]> {
    return this.faults.arm(role, ...faults);
  }

  disarm(): Promise<void> {
    return this.faults.disarm();
  }

  /** Lets held activities go on. */
  release(role: string): Promise<void> {
    return this.faults.release(role);
  }

  /** Waits until an activity is held. */
  held(role: string): Promise<true> {
    return this.until(`${role} is held`, 15_000, async () => (this.faults.isHeld(role) ? true : undefined));
  }

  wasStruck(role: string): boolean {
    return this.faults.wasStruck(role);
  }

  /** Every activity that runs during `work`, in order. */
  async trace(work: () => Promise<unknown>): Promise<Step[]> {
    await this.faults.startTrace();
    const before = (await this.faults.traced()).length;
    await work();
    return stepsOf((await this.faults.traced()).slice(before));
  }
}

/** What tests share they are told in the environment; without it a site starts its own. */
function forgetSharedEngines(): void {
  for (const name of Object.keys(process.env))
    if (/^(TEMPORAL_|MONGODB_)/.test(name)) delete process.env[name];
}
