import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { ApiClient } from '../../cli/client';
import { System } from '../../supervisor/system';

const CAPACITY = { cpuMillis: 64_000, memoryMiB: 65_536, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };
const NAMESPACE = 'sluice';

/** A whole site on simulated hosts, with ways in for what a benchmark looks at. */
export interface BenchSite {
  readonly api: ApiClient;
  readonly temporal: Client;
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly dataDir: string;
  pidOf(child: 'temporal' | 'mongodb' | 'site' | 'agent' | 'api'): number;
}

export async function withSite(
  hosts: number,
  work: (site: BenchSite) => Promise<void>,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const system = await System.start({
    dataDir,
    agents: [
      {
        id: 'agent',
        hosts: Array.from({ length: hosts }, (_, i) => ({
          id: `host-${i + 1}`,
          driver: 'simulator',
          capacity: CAPACITY,
        })),
      },
    ],
    ports: { api: 0, temporal: 0, temporalUi: 0, mongodb: 0 },
    environment,
  });
  try {
    const { TEMPORAL_ADDRESS: temporalAddress = '' } = system.child('site').spec.environment ?? {};
    const connection = await Connection.connect({ address: temporalAddress });
    const api = new ApiClient(system.access.apiUrl, system.access.token);
    await api.write('POST', '/v1/tenants', { id: 'bench' });
    const temporal = new Client({ connection, namespace: NAMESPACE });
    const pidOf = (name: string): number => {
      const { pid } = system.child(name);
      if (pid === undefined) throw new Error(`${name} does not run`);
      return pid;
    };
    await work({ api, temporal, temporalAddress, namespace: NAMESPACE, dataDir, pidOf });
    await connection.close();
  } finally {
    await system.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** A service of one component, so small that hosts never run out. */
export const serviceOf = (name: string, vees: number) => ({
  apiVersion: 'sluice/v1',
  kind: 'Service',
  name,
  components: [
    {
      name: 'app',
      image: 'busybox',
      capacity: { cpuMillis: 10, memoryMiB: 8 },
      instances: { min: 0, initial: vees, max: vees },
    },
  ],
});

export const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

export function runMain(main: () => Promise<void>): void {
  main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
