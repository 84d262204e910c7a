import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { HostPrice, PowerCurve } from '../domain/cost/host-economy';
import { type Obstacle, probeContainers } from '../drivers/container/probe';
import { readJson, writeJson } from '../drivers/lib/atomic-file';
import { siteTag } from '../drivers/network/isolated';
import type { FoundEngine } from '../engines/engine';
import { Child, type ChildEvent, type ChildSpec } from './child';
import { type ConnectionFile, connectionPath } from './connection-file';
import { type DataLock, lockDataDir } from './data-lock';
import { type EngineOptions, type EnginePrograms, enginePrograms, startEngines } from './engines';
import { clearForsaken, endIsolation, isolate } from './isolation';
import { choosePort } from './ports';

export interface HostPlan {
  readonly id: string;
  readonly driver: string;
  readonly zone?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly capacity?: Readonly<Record<'cpuMillis' | 'memoryMiB' | 'diskMiB' | 'bandwidthKbps', number>>;
  readonly devices?: Readonly<
    Record<
      string,
      | number
      | readonly string[]
      | { readonly each: readonly (readonly string[])[]; readonly shared?: readonly string[] }
    >
  >;
  readonly overcommit?: Readonly<
    Partial<Record<'cpuMillis' | 'memoryMiB' | 'diskMiB' | 'bandwidthKbps', number>>
  >;
  readonly price?: HostPrice;
  readonly power?: PowerCurve;
  readonly failuresPerYear?: number;
}

export interface AgentPlan {
  readonly id: string;
  readonly hosts: readonly HostPlan[];
  /** For this agent alone: it may reach the API and Temporal by a way of its own. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface SystemOptions extends EngineOptions {
  readonly siteId?: string;
  readonly database?: string;
  readonly agents: readonly AgentPlan[];
  /** Have the hosts network namespaces of their own? */
  readonly isolated?: boolean;
  readonly ports?: EngineOptions['ports'] & { readonly api?: number | undefined };
  /** For every process of ours, over the supervisor's own environment. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly onEvent?: (event: SystemEvent) => void;
}

export type SystemEvent =
  | ChildEvent
  | { readonly kind: 'engine'; readonly name: string; readonly found: FoundEngine };

interface Secrets {
  readonly operatorToken: string;
  readonly joinToken: string;
}

const USUAL_API_PORT = 7400;
/** Processes run what was built, also when this file itself is run from its source (in tests). */
const BUILT = __filename.endsWith('.ts') ? join(__dirname, '..', 'dist') : join(__dirname, '..');
const ENTRY = (path: string) => [process.execPath, '--enable-source-maps', join(BUILT, path)];

/** The whole of a site on one machine: engines, a site worker, the API and host agents, started in order. */
export class System {
  readonly options: SystemOptions;
  private readonly lock: DataLock;
  private readonly children: Child[] = [];
  private connection: ConnectionFile | undefined;

  private constructor(options: SystemOptions, lock: DataLock) {
    this.options = options;
    this.lock = lock;
  }

  /** @throws DataDirHeld, EngineMissing, PortTaken, or what keeps a child from starting; nothing is left running then */
  static async start(options: SystemOptions): Promise<System> {
    // Looked for before anything is made: what is missing changes nothing.
    const programs = await enginePrograms((name, found) =>
      options.onEvent?.({ kind: 'engine', name, found }),
    );
    const system = new System(options, await lockDataDir(options.dataDir));
    try {
      await system.startAll(programs);
      return system;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  get access(): ConnectionFile {
    if (!this.connection) throw new Error('the system has not started');
    return this.connection;
  }

  child(name: string): Child {
    const child = this.children.find((c) => c.spec.name === name);
    if (!child) throw new Error(`no process is called ${name}`);
    return child;
  }

  get processes(): { name: string; pid: number | undefined }[] {
    return this.children.map((c) => ({ name: c.spec.name, pid: c.pid }));
  }

  /** In reverse order, agents first: no work is taken on that nobody could record. VEEs run on. */
  async stop(): Promise<void> {
    for (const child of [...this.children].reverse()) await child.stop();
    if (this.options.isolated) await endIsolation(this.options.dataDir);
    await this.lock.release();
  }

  private async startAll(programs: EnginePrograms): Promise<void> {
    const { dataDir, agents } = this.options;
    await clearForsaken();
    const secrets = await this.secrets();
    const engines = await startEngines(this.options, programs, (spec) => this.run(spec));
    const { temporalUi } = engines;
    const environment: Record<string, string> = {
      SLUICE_SITE: this.options.siteId ?? 'home',
      SLUICE_POLICY_DIR: process.env.SLUICE_POLICY_DIR ?? join(dataDir, 'policies'),
      SLUICE_ALGORITHM_DIR: process.env.SLUICE_ALGORITHM_DIR ?? join(dataDir, 'algorithms'),
      ...(this.options.database ? { SLUICE_DATABASE: this.options.database } : {}),
      ...this.options.environment,
      ...engines.environment,
    };
    const apiPort = await choosePort('the API', this.options.ports?.api, USUAL_API_PORT);
    const apiUrl = `http://127.0.0.1:${apiPort}`;
    await Promise.all([
      this.run({ name: 'site', command: ENTRY('worker/site.js'), environment }),
      this.run({
        name: 'api',
        address: apiUrl,
        command: ENTRY('api/main.js'),
        environment: {
          ...environment,
          SLUICE_API_PORT: String(apiPort),
          SLUICE_OPERATOR_TOKEN: secrets.operatorToken,
          SLUICE_JOIN_TOKEN: secrets.joinToken,
          ...(temporalUi ? { SLUICE_TEMPORAL_UI: temporalUi } : {}),
        },
      }),
    ]);
    // An agent gets no database address: all it may use is the API and Temporal.
    const agentEnvironment = {
      ...environment,
      MONGODB_URI: '',
      SLUICE_NETWORK_DOMAIN: await siteTag(dataDir),
    };
    const placed = this.options.isolated ? await isolate(agents, dataDir) : agents;
    await Promise.all(
      placed.map(({ id, hosts, environment: own }) =>
        this.run({
          name: id,
          command: ENTRY('worker/host.js'),
          environment: {
            ...agentEnvironment,
            SLUICE_AGENT: id,
            SLUICE_AGENT_DIR: join(dataDir, 'agents', id),
            SLUICE_API_URL: apiUrl,
            SLUICE_JOIN_TOKEN: secrets.joinToken,
            SLUICE_HOSTS: JSON.stringify(hosts),
            ...own,
          },
        }),
      ),
    );
    this.connection = { apiUrl, token: secrets.operatorToken, ...(temporalUi ? { temporalUi } : {}) };
    await writeJson(connectionPath(dataDir), this.connection);
    await this.lock.announce(apiUrl);
  }

  private async run(spec: ChildSpec): Promise<void> {
    const child = new Child(spec, this.options.dataDir, (event) => this.options.onEvent?.(event));
    this.children.push(child);
    await child.start();
  }

  /** Made once for a data directory: a restarted system takes the tokens that were given out. */
  private async secrets(): Promise<Secrets> {
    const path = join(this.options.dataDir, 'secrets.json');
    const kept = await readJson<Secrets>(path);
    if (kept) return kept;
    const make = (kind: string) => `sluice_${kind}_${randomBytes(24).toString('base64url')}`;
    const secrets = { operatorToken: make('operator'), joinToken: make('join') };
    await writeJson(path, secrets);
    return secrets;
  }
}

/** What each host of a local site offers: modest, and the same everywhere, so that examples fit. */
const HOST_CAPACITY = { cpuMillis: 4_000, memoryMiB: 2_048, diskMiB: 20_480, bandwidthKbps: 1_000_000 };

/** The hosts of a site on one machine: real containers where one has run, else the simulator. */
export async function localAgents(
  count: number,
  driver?: string,
  zones = count,
): Promise<{ agents: AgentPlan[]; driver: string; obstacle?: Obstacle }> {
  const obstacle = driver === undefined ? await probeContainers() : undefined;
  const chosen = driver ?? (obstacle ? 'simulator' : 'container');
  const agents = Array.from({ length: count }, (_, i) => {
    const id = `host-${i + 1}`;
    const host = {
      id,
      driver: chosen,
      zone: `zone-${(i % zones) + 1}`,
      labels: { rack: `r${i + 1}` },
      capacity: HOST_CAPACITY,
    };
    return { id, hosts: [host] };
  });
  return { agents, driver: chosen, ...(obstacle ? { obstacle } : {}) };
}

/** Hosts with virtual machines, beside those of another kind. */
export const qemuAgents = (count: number): AgentPlan[] =>
  Array.from({ length: count }, (_, i) => {
    const id = `qemu-${i + 1}`;
    return { id, hosts: [{ id, driver: 'qemu', zone: `zone-${id}`, capacity: HOST_CAPACITY }] };
  });
