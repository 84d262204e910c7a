import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from '../../activities/fault-points';
import { readJson, writeJson } from '../../drivers/lib/atomic-file';
import type { SimulatorScript } from '../../drivers/simulator/script';
import { type AgentPlan, System, type SystemEvent, type SystemOptions } from '../../supervisor/system';
import { disagreements, type HeldVee, readHostFolders, runningTwice } from './host-folders';
import type { Json } from './json';

export interface TestSiteOptions {
  readonly hosts?: number;
  readonly driver?: string;
  readonly agents?: readonly AgentPlan[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: SystemOptions['ports'];
}

export interface Reply<T = Record<string, never>> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
}

const BIG = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };

/** A real site for a test: its own processes and database, in the engines that all tests share. */
export class TestSite {
  readonly system: System;
  readonly faultsDir: string;
  readonly dataDir: string;
  readonly events: SystemEvent[];

  private constructor(system: System, faultsDir: string, dataDir: string, events: SystemEvent[]) {
    this.system = system;
    this.faultsDir = faultsDir;
    this.dataDir = dataDir;
    this.events = events;
  }

  static async start(options: TestSiteOptions = {}): Promise<TestSite> {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-site-'));
    const faultsDir = join(dataDir, 'faults');
    await mkdir(faultsDir);
    const id = `t${randomBytes(5).toString('hex')}`;
    const events: SystemEvent[] = [];
    const hosts = Array.from({ length: options.hosts ?? 3 }, (_, i) => ({
      id: `host-${i + 1}`,
      driver: options.driver ?? 'simulator',
      zone: `zone-${i + 1}`,
      labels: { rack: `r${i + 1}` },
      capacity: BIG,
    }));
    const system = await System.start({
      dataDir,
      siteId: id,
      database: `sluice_${id}`,
      agents: options.agents ?? [{ id: 'agent', hosts }],
      ports: options.ports ?? { api: 0 },
      environment: {
        SLUICE_FAULTS_DIR: faultsDir,
        // What mends by itself would hide what a test is about: tests that want it say so.
        SLUICE_RECONCILE_MILLIS: '0',
        SLUICE_HEARTBEAT_MILLIS: '250',
        SLUICE_ATTEMPT_MILLIS: '5000',
        SLUICE_GIVE_UP_MILLIS: '15000',
        SLUICE_UNDO_GIVE_UP_MILLIS: '15000',
        ...options.environment,
      },
      onEvent: (event) => events.push(event),
    });
    const site = new TestSite(system, faultsDir, dataDir, events);
    await site.post('/v1/tenants', { id: 'acme' });
    return site;
  }

  async stop(): Promise<void> {
    await this.system.stop();
    await rm(this.dataDir, { recursive: true, force: true });
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

  get = (path: string, token?: string | null) => this.send('GET', path, token === undefined ? {} : { token });
  post = (path: string, body?: unknown, headers?: Record<string, string>) =>
    this.send('POST', path, { body, ...(headers ? { headers } : {}) });
  delete = (path: string) => this.send('DELETE', path);

  apply(manifest: unknown, headers?: Record<string, string>): Promise<Reply<Json>> {
    return this.post('/v1/services?tenant=acme', manifest, headers);
  }

  /** The operation once it has ended or is stuck. */
  async ended(id: string, timeoutMillis = 40_000): Promise<Json> {
    return this.until(`operation ${id} ends`, timeoutMillis, async () => {
      const { body, status } = await this.get(`/v1/operations/${id}`).catch(() => ({ body: {}, status: 0 }));
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
    const deadline = Date.now() + timeoutMillis;
    for (;;) {
      const seen = await look();
      if (seen !== undefined) return seen;
      if (Date.now() > deadline) throw new Error(`timed out after ${timeoutMillis} ms: ${what}`);
      await delay(40);
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
    await delay(350);
    const { body } = await this.get('/v1/invariants');
    return [...body.violations, ...runningTwice(await this.onHosts())];
  }

  /** Where records and hosts disagree, on all hosts or on some; only while no operation is under way there. */
  async disagreements(on: (hostId: string) => boolean = () => true): Promise<string[]> {
    const recorded = await this.all('/v1/vees');
    const { body } = await this.get('/v1/reservations');
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

  async arm(role: string, ...faults: Fault[]): Promise<void> {
    await writeFile(join(this.faultsDir, `arm-${role}.json`), JSON.stringify(faults));
  }

  async disarm(): Promise<void> {
    for (const role of ['site', 'agent']) await rm(join(this.faultsDir, `arm-${role}.json`), { force: true });
  }

  /** Lets a held activity go on. */
  async release(role: string): Promise<void> {
    await rm(join(this.faultsDir, `held-${role}`), { force: true });
  }

  /** Waits until an activity is held. */
  held(role: string): Promise<true> {
    return this.until(`${role} is held`, 15_000, async () =>
      existsSync(join(this.faultsDir, `held-${role}`)) ? true : undefined,
    );
  }

  wasStruck(role: string): boolean {
    return !existsSync(join(this.faultsDir, `arm-${role}.json`));
  }

  /** Every activity that runs during `work`, in order, as `{role, activity, occurrence}`. */
  async trace(
    work: () => Promise<unknown>,
  ): Promise<{ role: string; activity: string; occurrence: number }[]> {
    const path = join(this.faultsDir, 'trace');
    await writeFile(path, '');
    await work();
    const lines = (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .filter((l) => l !== '');
    await rm(path);
    const counts = new Map<string, number>();
    return lines.map((line) => {
      const [role = '', activity = ''] = line.split(' ');
      const occurrence = (counts.get(line) ?? 0) + 1;
      counts.set(line, occurrence);
      return { role, activity, occurrence };
    });
  }
}
