import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { containerObstacle } from '../drivers/container/runtime';
import { readJson, writeJson } from '../drivers/lib/atomic-file';
import { engineProgram, type FoundEngine, findEngine } from '../engines/engine';
import { MONGODB, mongodAnswers, mongodArguments, mongoUri } from '../engines/mongodb';
import { TEMPORAL, temporalAnswers, temporalArguments } from '../engines/temporal';
import { Child, type ChildEvent, type ChildSpec } from './child';
import { type DataLock, lockDataDir } from './data-lock';
import { choosePort } from './ports';

export interface HostPlan {
  readonly id: string;
  readonly driver: string;
  readonly zone?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly capacity?: Readonly<Record<'cpuMillis' | 'memoryMiB' | 'diskMiB' | 'bandwidthKbps', number>>;
}

export interface AgentPlan {
  readonly id: string;
  readonly hosts: readonly HostPlan[];
}

export interface SystemOptions {
  readonly dataDir: string;
  readonly siteId?: string;
  readonly namespace?: string;
  readonly database?: string;
  readonly agents: readonly AgentPlan[];
  readonly durable?: boolean;
  readonly ports?: {
    readonly api?: number | undefined;
    readonly temporal?: number | undefined;
    readonly temporalUi?: number | undefined;
    readonly mongodb?: number | undefined;
  };
  /** For every process of ours, over the supervisor's own environment. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly onEvent?: (event: SystemEvent) => void;
}

export type SystemEvent =
  | ChildEvent
  | { readonly kind: 'engine'; readonly name: string; readonly found: FoundEngine };

/** What clients need to reach the system; kept in the data directory, readable by its owner only. */
export interface ConnectionFile {
  readonly apiUrl: string;
  readonly token: string;
  readonly temporalUi?: string;
}

interface Secrets {
  readonly operatorToken: string;
  readonly joinToken: string;
}

const USUAL_PORTS = { api: 7400, temporal: 7233, temporalUi: 8233, mongodb: 27_027 };
const ENTRY = (path: string) => [process.execPath, '--enable-source-maps', join(__dirname, '..', path)];

export const connectionPath = (dataDir: string) => join(dataDir, 'connection.json');

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
    const [temporal, mongodb] = [await findEngine(TEMPORAL), await findEngine(MONGODB)];
    const programs = {
      temporal: await programOf(TEMPORAL, temporal),
      mongodb: await programOf(MONGODB, mongodb),
    };
    const system = new System(options, await lockDataDir(options.dataDir));
    try {
      options.onEvent?.({ kind: 'engine', name: TEMPORAL.name, found: temporal });
      options.onEvent?.({ kind: 'engine', name: MONGODB.name, found: mongodb });
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
    await this.lock.release();
  }

  private async startAll(programs: {
    temporal: string | undefined;
    mongodb: string | undefined;
  }): Promise<void> {
    const { dataDir, agents } = this.options;
    const secrets = await this.secrets();
    const { environment, temporalUi } = await this.startEngines(programs);
    const apiPort = await choosePort('the API', this.options.ports?.api, USUAL_PORTS.api);
    const apiUrl = `http://127.0.0.1:${apiPort}`;
    await Promise.all([
      this.run({ name: 'site', command: ENTRY('worker/site.js'), environment }),
      this.run({
        name: 'api',
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
    const { MONGODB_URI: _, ...agentEnvironment } = environment;
    await Promise.all(
      agents.map(({ id, hosts }) =>
        this.run({
          name: id,
          command: ENTRY('worker/host.js'),
          environment: {
            ...agentEnvironment,
            MONGODB_URI: '',
            SLUICE_AGENT: id,
            SLUICE_AGENT_DIR: join(dataDir, 'agents', id),
            SLUICE_API_URL: apiUrl,
            SLUICE_JOIN_TOKEN: secrets.joinToken,
            SLUICE_HOSTS: JSON.stringify(hosts),
          },
        }),
      ),
    );
    this.connection = { apiUrl, token: secrets.operatorToken, ...(temporalUi ? { temporalUi } : {}) };
    await writeJson(connectionPath(dataDir), this.connection);
    await this.lock.announce(apiUrl);
  }

  private async startEngines(programs: { temporal: string | undefined; mongodb: string | undefined }) {
    const { dataDir, siteId = 'home', durable = false, ports = {} } = this.options;
    const namespace = this.options.namespace ?? 'sluice';
    const environment: Record<string, string> = {
      SLUICE_SITE: siteId,
      ...(this.options.database ? { SLUICE_DATABASE: this.options.database } : {}),
      ...this.options.environment,
    };
    let temporalUi = process.env.SLUICE_TEMPORAL_UI;
    const starts: Promise<void>[] = [];
    if (programs.temporal) {
      const port = await choosePort('Temporal', ports.temporal, USUAL_PORTS.temporal);
      const uiPort = await choosePort('Temporal’s UI', ports.temporalUi, USUAL_PORTS.temporalUi);
      const folder = join(dataDir, 'temporal');
      await mkdir(folder, { recursive: true });
      const address = `127.0.0.1:${port}`;
      const args = temporalArguments({ dataDir: folder, namespace, port, uiPort, durable });
      starts.push(
        this.run({
          name: 'temporal',
          command: [programs.temporal, ...args],
          answers: () => temporalAnswers(address, namespace),
        }),
      );
      Object.assign(environment, { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace });
      temporalUi = `http://127.0.0.1:${uiPort}`;
    } else if (this.options.namespace) environment.TEMPORAL_NAMESPACE = this.options.namespace;
    if (programs.mongodb) {
      const port = await choosePort('MongoDB', ports.mongodb, USUAL_PORTS.mongodb);
      const folder = join(dataDir, 'mongodb');
      await mkdir(folder, { recursive: true });
      starts.push(
        this.run({
          name: 'mongodb',
          command: [programs.mongodb, ...mongodArguments(folder, port)],
          answers: () => mongodAnswers(port),
        }),
      );
      environment.MONGODB_URI = mongoUri(port);
    } else environment.MONGODB_URI = process.env.MONGODB_URI ?? '';
    await Promise.all(starts);
    return { environment, temporalUi };
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

async function programOf(kind: typeof TEMPORAL, found: FoundEngine): Promise<string | undefined> {
  return found.from === 'address' ? undefined : engineProgram(kind, found);
}

/** A share of this machine: three hosts that together offer no more than it has. */
const HOST_CAPACITY = { cpuMillis: 4_000, memoryMiB: 2_048, diskMiB: 20_480, bandwidthKbps: 1_000_000 };

/** The hosts of a site on one machine: real containers where they can run, else the simulator. */
export function localAgents(
  count: number,
  driver?: string,
): { agents: AgentPlan[]; driver: string; obstacle?: { missing: string; mend: string } } {
  const obstacle = containerObstacle();
  const chosen = driver ?? (obstacle ? 'simulator' : 'container');
  const agents = Array.from({ length: count }, (_, i) => {
    const id = `host-${i + 1}`;
    return {
      id,
      hosts: [
        { id, driver: chosen, zone: `zone-${i + 1}`, labels: { rack: `r${i + 1}` }, capacity: HOST_CAPACITY },
      ],
    };
  });
  return { agents, driver: chosen, ...(obstacle && driver === undefined ? { obstacle } : {}) };
}
