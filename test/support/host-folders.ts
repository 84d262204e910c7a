import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import { DIMENSIONS } from '../../domain/units';
import type { KeptVee } from '../../drivers/lib/vee-records';
import type { Json } from './json';

/** One VEE as a simulated host holds it. */
export interface HeldVee {
  readonly hostId: HostId;
  readonly veeId: string;
  readonly epoch: number;
  readonly state: string;
  readonly capacity: KeptVee['spec']['template']['capacity'];
  readonly networks?: KeptVee['spec']['networks'];
}

/** What the simulators really hold, read from their folders rather than from what anybody reports. */
export async function readHostFolders(dataDir: string): Promise<HeldVee[]> {
  const agents = join(dataDir, 'agents');
  const found: HeldVee[] = [];
  for (const agent of await entries(agents))
    for (const hostId of (await entries(join(agents, agent, 'hosts'))) as HostId[]) {
      const folder = join(agents, agent, 'hosts', hostId, 'vees');
      for (const veeId of await entries(folder)) {
        const vee = await readHeld(folder, hostId, veeId);
        if (vee) found.push(vee);
      }
    }
  return found;
}

async function readHeld(folder: string, hostId: HostId, veeId: string): Promise<HeldVee | undefined> {
  const text = await readFile(join(folder, veeId, 'vee.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { spec, state } = JSON.parse(text) as KeptVee;
  return {
    hostId,
    veeId,
    epoch: spec.epoch,
    state,
    capacity: spec.template.capacity,
    networks: spec.networks,
  };
}

const entries = (folder: string) => readdir(folder).catch(() => [] as string[]);

/** VEEs of which more than one copy runs. */
export function runningTwice(held: readonly HeldVee[]): string[] {
  const running = held.filter((v) => v.state === 'ACTIVE');
  return running
    .filter((v, i) => running.findIndex((w) => w.veeId === v.veeId) !== i)
    .map((v) => {
      const where = running.filter((w) => w.veeId === v.veeId).map((w) => `${w.hostId} (epoch ${w.epoch})`);
      return `${v.veeId} runs on ${where.join(' and on ')}`;
    });
}

/**
 * Where records and hosts disagree, found without any code of the product: each VEE that is recorded is on its
 * host as recorded, nothing else is on any host, and what is reserved is what the recorded VEEs hold. Holds
 * only while no operation is under way.
 */
export function disagreements(
  held: readonly HeldVee[],
  recorded: readonly Json[],
  reservations: readonly Json[],
): string[] {
  const found: string[] = [];
  const living = recorded.filter((v) => v.state !== 'DESTROYED');
  for (const v of living) {
    const there = held.find((h) => h.hostId === v.hostId && h.veeId === v.id);
    const is = there ? `${there.state} at epoch ${there.epoch}` : 'not there';
    if (!there || there.state !== v.state || there.epoch !== v.epoch)
      found.push(`${v.id} is recorded ${v.state} on ${v.hostId} at epoch ${v.epoch}, and is ${is}`);
    else if (DIMENSIONS.some((d) => there.capacity[d] !== v.capacity[d]))
      found.push(`${v.id} has not the size on ${v.hostId} that is recorded`);
    const reserved = reservations.filter((r) => r.veeId === v.id);
    if (reserved.length !== 1 || reserved[0].hostId !== v.hostId)
      found.push(
        `${v.id} is on ${v.hostId} and has reservations on [${reserved.map((r) => r.hostId).join(', ')}]`,
      );
    else if (DIMENSIONS.some((d) => reserved[0].amount[d] !== v.capacity[d]))
      found.push(`${v.id} has another size than what is reserved for it on ${v.hostId}`);
  }
  const byId = new Map(living.map((v) => [v.id, v]));
  for (const h of held)
    if (byId.get(h.veeId)?.hostId !== h.hostId)
      found.push(`${h.hostId} holds ${h.veeId}, ${h.state} at epoch ${h.epoch}, which no record has there`);
  for (const r of reservations)
    if (!byId.has(r.veeId)) found.push(`${r.hostId} holds a reservation for ${r.veeId}, which is not living`);
  return found;
}
