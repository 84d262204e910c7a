import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { agentRoutes } from '../../api/routes/agents';
import type { HostId } from '../../domain/ids';
import { createSimulatorDriver } from '../../drivers/simulator/driver';
import { SIMULATED_LOAD } from '../../drivers/simulator/usage';
import { createLogger } from '../../process/log';
import { AgentLink } from '../../worker/agent-link';
import { agentSettings } from '../../worker/agent-settings';
import { specFor } from '../support/specs';

const amount = z.int().min(0);
const capacity = z.strictObject({
  ...{ cpuMillis: amount, memoryMiB: amount, diskMiB: amount, bandwidthKbps: amount },
});
/** What the first release took. */
const FIRST_JOIN = z.strictObject({
  agentId: z.string(),
  hosts: z.array(
    z.strictObject({
      ...{ id: z.string(), zone: z.string(), labels: z.record(z.string(), z.string()) },
      fingerprint: z.strictObject({
        ...{ driver: z.string(), description: z.string(), real: z.boolean(), capacity },
        ...{ capabilities: z.unknown(), images: z.array(z.string()) },
        attributes: z.record(z.string(), z.string()),
      }),
    }),
  ),
});
const FIRST_REPORT = z.strictObject({
  ageMillis: z.int(),
  hosts: z.array(
    z.strictObject({
      hostId: z.string(),
      vees: z.array(
        z.strictObject({
          ...{ veeId: z.string(), epoch: z.int(), state: z.string(), capacity: capacity.optional() },
        }),
      ),
    }),
  ),
});

interface Asked {
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly status: number;
}

describe('an agent that knows more than the API', () => {
  let folder: string;
  let server: Server | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-agent-'));
  });
  afterEach(async () => {
    server?.close();
    server?.closeAllConnections();
    await rm(folder, { recursive: true, force: true });
  });

  /** What an agent with all that there is to tell asks of an API, up to `enough`. */
  async function askedOf(
    schemas: Readonly<Record<string, z.ZodType>>,
    enough: (asked: readonly Asked[]) => boolean,
  ): Promise<Asked[]> {
    const asked: Asked[] = [];
    server = createServer((req, res) => {
      const parts: Buffer[] = [];
      req.on('data', (part) => parts.push(part));
      req.on('end', () => {
        const path = req.url?.split('/').at(-1) ?? '';
        const body = JSON.parse(Buffer.concat(parts).toString());
        const status = schemas[path]?.safeParse(body).success ? 200 : 400;
        asked.push({ path, body, status });
        const answer = path === 'join' ? { token: 't' } : { superseded: [] };
        res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((listening) => server?.listen(0, '127.0.0.1', listening));
    const settings = agentSettings({
      SLUICE_AGENT: 'agent',
      SLUICE_AGENT_DIR: folder,
      SLUICE_API_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      SLUICE_JOIN_TOKEN: 'j',
      SLUICE_HEARTBEAT_MILLIS: '50',
      SLUICE_HOSTS: JSON.stringify([
        {
          id: 'h',
          driver: 'simulator',
          devices: { gpu: 1 },
          overcommit: { cpuMillis: 2 },
          price: { perHour: 1 },
        },
      ]),
    });
    const driver = await createSimulatorDriver({ hostId: 'h' as HostId, dataDir: folder });
    const spec = specFor('vee-a', { environment: { [SIMULATED_LOAD]: '50' } });
    await driver.define(spec);
    await driver.start(spec);
    const log = createLogger('test');
    log.level = 'silent';
    const link = new AgentLink(settings, new Map([['h' as HostId, driver]]), log);
    await link.join();
    const beating = link.beat();
    while (!enough(asked)) await new Promise((r) => setTimeout(r, 10));
    link.stop();
    await beating;
    await driver.close();
    return asked;
  }

  const beats = (asked: readonly Asked[]) => asked.filter((a) => a.path === 'heartbeat');

  it('tells one of the first release what that knows, and is heard', async () => {
    const old = { join: FIRST_JOIN, heartbeat: FIRST_REPORT };
    const asked = await askedOf(old, (all) => beats(all).length >= 3);
    // Once it has been refused it does not try again with each heartbeat.
    expect(asked.map((a) => `${a.path} ${a.status}`).slice(0, 5)).toEqual([
      ...['join 400', 'join 200'],
      ...['heartbeat 200', 'heartbeat 200', 'heartbeat 200'],
    ]);
    expect(beats(asked)[0]?.body).toMatchObject({ hosts: [{ vees: [{ veeId: 'vee-a', state: 'ACTIVE' }] }] });
  });

  it('finds out by a heartbeat, too', async () => {
    const old = { join: z.unknown(), heartbeat: FIRST_REPORT };
    const asked = await askedOf(old, (all) => beats(all).filter((a) => a.status === 200).length >= 4);
    // Nothing is measured in the first: that one is as it always was.
    const refused = beats(asked).filter((a) => a.status === 400);
    expect(refused).toHaveLength(1);
    expect(refused[0]?.body).toMatchObject({ hosts: [{ measured: {}, accounted: {} }] });
    expect(beats(asked).at(-1)?.body).not.toHaveProperty(['hosts', 0, 'measured']);
  });

  it('tells one of this release all, and one that knows less leaves the rest out', async () => {
    const routes = agentRoutes({} as never);
    const schemaOf = (name: string) =>
      routes.find((r) => r.path === `/v1/agents/${name}`)?.body?.schema as z.ZodType;
    const now = { join: schemaOf('join'), heartbeat: schemaOf('heartbeat') };
    const asked = await askedOf(now, (all) => beats(all).length >= 3);
    expect(asked.filter((a) => a.status !== 200)).toEqual([]);
    expect(asked[0]?.body).toMatchObject({
      hosts: [{ fingerprint: { physical: {} }, price: { perHour: 1 } }],
    });
    expect(beats(asked)[2]?.body).toMatchObject({ hosts: [{ measured: {}, vees: [{ used: {} }] }] });
    for (const { path, body } of asked) {
      const schema = now[path as keyof typeof now];
      expect(schema.parse(withMore(body))).toEqual(schema.parse(body));
    }
  });
});

/** With something that is not known yet in everything that has fields of its own. */
function withMore(of: unknown, key = ''): unknown {
  if (Array.isArray(of)) return of.map((each) => withMore(each));
  if (typeof of !== 'object' || of === null) return of;
  const parts = Object.entries(of).map(([k, part]) => [k, withMore(part, k)]);
  const named = ['labels', 'attributes', 'devices'].includes(key);
  return { ...Object.fromEntries(parts), ...(named ? {} : { fromTheFuture: 1 }) };
}
