import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Db } from 'mongodb';
import { connectStore } from '../../store/connect';
import { ensureIndexes } from '../../store/indexes';
import { createStore } from '../../store/store';
import { Child } from '../../supervisor/child';
import { enginePrograms, startEngines } from '../../supervisor/engines';

const HOSTS = 10_000;
const VEES = 100_000;
const CHANGES = 300;
const GOAL_COLD_MILLIS = 3_000;
const GOAL_CHANGE_MILLIS = 10;

/** Loading what a planner sees of 10,000 hosts and 100,000 VEEs, and again after each change; wall time. */
export async function snapshotRows(): Promise<string[][]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const children: Child[] = [];
  try {
    const { environment } = await startEngines(
      { dataDir, namespace: 'bench', ports: { temporal: 0, temporalUi: 0, mongodb: 0 } },
      await enginePrograms(() => undefined),
      async (spec) => {
        const child = new Child(spec, dataDir, () => undefined);
        children.push(child);
        await child.start();
      },
    );
    const connection = await connectStore(environment.MONGODB_URI ?? '', 'bench');
    await ensureIndexes(connection.db);
    await fill(connection.db);
    const followed = createStore(connection, { largeFrom: 0 });
    const whole = createStore(connection);
    const cold = await wallMillis(() => followed.contents.read());
    const { hosts, vees } = await followed.contents.read();
    if (hosts.length !== HOSTS || vees.length !== VEES) throw new Error('not all of it was loaded');
    const [changed, again]: number[][] = [[], []];
    for (let n = 0; n < CHANGES; n++) {
      const set = { hostId: hostId((n * 7_919) % HOSTS) };
      await connection.db.collection<{ _id: string }>('vees').updateOne({ _id: veeId(n) }, { $set: set });
      changed?.push(await wallMillis(() => followed.contents.read()));
    }
    for (let n = 0; n < 5; n++) again?.push(await wallMillis(() => whole.contents.read()));
    await followed.contents.close();
    await connection.close();
    const [median, worst] = [at(changed ?? [], 0.5), at(changed ?? [], 0.99)];
    return [
      ['cold', `${Math.round(cold)} ms`, `≤ ${GOAL_COLD_MILLIS} ms`, met(cold <= GOAL_COLD_MILLIS)],
      [
        `after each of ${CHANGES} changes`,
        `${median.toFixed(1)} ms, ${worst.toFixed(1)} ms at the 99th percentile`,
        `≤ ${GOAL_CHANGE_MILLIS} ms`,
        met(worst <= GOAL_CHANGE_MILLIS),
      ],
      ['reading all of it instead', `${Math.round(at(again ?? [], 0.5))} ms`, '', ''],
    ];
  } finally {
    for (const child of children.reverse()) await child.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

const met = (yes: boolean) => (yes ? 'met' : 'NOT MET');
const hostId = (n: number) => `host-${n}`;
const veeId = (n: number) => `vee-${n}`;

/** Records as they are in a site that runs, long lists included. */
async function fill(db: Db): Promise<void> {
  const capacity = { cpuMillis: 64_000, memoryMiB: 262_144, diskMiB: 4_000_000, bandwidthKbps: 10_000_000 };
  const amount = { cpuMillis: 4_000, memoryMiB: 16_384, diskMiB: 100_000, bandwidthKbps: 100_000 };
  const perHost = VEES / HOSTS;
  const hosts = Array.from({ length: HOSTS }, (_, h) => {
    const mine = Array.from({ length: perHost }, (__, n) => veeId(h * perHost + n));
    const held = { operationId: 'op-1', amount, since: 1, tenantId: 'acme' };
    return {
      ...{
        _id: hostId(h),
        siteId: 'home',
        zone: `zone-${h % 20}`,
        agentId: 'agent',
        labels: { disk: 'ssd' },
      },
      fingerprint: {
        ...{ driver: 'simulator', description: 'simulated', real: false, images: ['web', 'db'], capacity },
        ...{
          capabilities: { pause: true, suspend: true, liveResize: true, migration: 'live' },
          attributes: {},
        },
      },
      ...{ liveness: 'up', cordoned: false, lastHeartbeatAt: 1, reportedAt: 1, generation: 1, joinedAt: 1 },
      reservations: Object.fromEntries(mine.map((id) => [id, held])),
      reserved: Object.fromEntries(Object.entries(amount).map(([d, n]) => [d, n * perHost])),
      reported: mine.map((id) => ({ veeId: id, epoch: 1, state: 'ACTIVE', capacity: amount })),
    };
  });
  const vees = Array.from({ length: VEES }, (_, n) => ({
    ...{ _id: veeId(n), tenantId: 'acme', serviceId: `service-${Math.floor(n / 8)}`, component: 'app' },
    ...{ index: n % 8, hostId: hostId(Math.floor(n / perHost)), epoch: 1, state: 'ACTIVE', transition: null },
    template: { image: 'web', capacity: amount, environment: { LEVEL: 'info' }, files: [] },
    ...{ blueprintId: 'bp-1', generation: 1, createdAt: 1, updatedAt: 1, ledgerSeq: 2, ledgerAt: 1 },
    ...{ lastCommit: 'op-1/activate', epochs: { last: 1, operationId: 'op-1' } },
  }));
  for (const [name, docs] of Object.entries({ hosts, vees }))
    for (let from = 0; from < docs.length; from += 5_000)
      await db.collection<{ _id: string }>(name).insertMany(docs.slice(from, from + 5_000));
}

async function wallMillis(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function at(of: readonly number[], share: number): number {
  const sorted = [...of].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
