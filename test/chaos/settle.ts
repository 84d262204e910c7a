import { setTimeout as delay } from 'node:timers/promises';
import type { Json } from '../support/json';
import type { World } from './world';

const READY_MILLIS = 60_000;
const END_MILLIS = 120_000;
const UNFINISHED = ['pending', 'queued', 'running', 'undoing', 'stuck'];
/** One that stays stuck with every fault gone will not be helped by the next retry either. */
const MOST_RETRIES = 10;

export interface Settled {
  readonly millis: number;
  /** How each operation that was asked for since the last time has ended. */
  readonly operations: readonly { readonly kind: string; readonly state: string; readonly code?: string }[];
  readonly retries: number;
  readonly violations: readonly string[];
}

/**
 * Heals every fault, helps what is stuck as an operator would, waits until nothing is under way, and then looks:
 * the product's own check, and the hosts' folders against the records without any of its code.
 */
export async function settle(world: World): Promise<Settled> {
  const began = Date.now();
  await world.heal();
  const violations: string[] = [];
  if (!(await isWhole(world, began + READY_MILLIS)))
    return {
      millis: Date.now() - began,
      operations: [],
      retries: 0,
      violations: ['9: the site did not come back'],
    };
  await world.repeatUnanswered(Date.now() + READY_MILLIS);
  const { retries, left } = await untilIdle(world, Date.now() + END_MILLIS);
  for (const o of left)
    violations.push(
      `3: ${o.kind} ${o.id} is still ${o.state}: ${JSON.stringify(o.stuck?.error ?? o.error ?? null)}`,
    );
  const operations = await endings(world);
  violations.push(...world.violations.splice(0), ...(await looks(world, left.length === 0)));
  world.startedOperations = [];
  return { millis: Date.now() - began, operations, retries, violations };
}

/** Are all processes back, do all hosts report? */
async function isWhole(world: World, deadline: number): Promise<boolean> {
  while (Date.now() < deadline) {
    const hosts = (await world.read('/v1/hosts?limit=200'))?.items as Json[] | undefined;
    const ready = await world.read('/readyz');
    if (ready && hosts?.every((h) => h.liveness === 'up')) return true;
    await delay(100);
  }
  return false;
}

async function untilIdle(world: World, deadline: number): Promise<{ retries: number; left: Json[] }> {
  const tries = new Map<string, number>();
  let retries = 0;
  for (;;) {
    const left = await unfinished(world);
    if (left?.length === 0) return { retries, left };
    const helpless = left?.some((o) => (tries.get(o.id) ?? 0) > MOST_RETRIES);
    if (helpless || Date.now() > deadline)
      return { retries, left: left ?? [{ kind: 'any', state: 'unknown' }] };
    for (const o of left?.filter((l) => l.state === 'stuck') ?? []) {
      tries.set(o.id, (tries.get(o.id) ?? 0) + 1);
      retries++;
      await world.write({
        method: 'POST',
        path: `/v1/operations/${o.id}/retry`,
        key: `${o.id}-${Date.now()}`,
      });
    }
    await delay(left?.some((l) => l.state === 'stuck') ? 500 : 100);
  }
}

async function unfinished(world: World): Promise<Json[] | undefined> {
  const pages = await Promise.all(UNFINISHED.map((s) => world.read(`/v1/operations?limit=200&state=${s}`)));
  if (pages.includes(undefined)) return undefined;
  // One that an operator gave up stays stuck, and has ended.
  return pages.flatMap((p) => p.items as Json[]).filter((o) => o.endedAt === undefined);
}

async function endings(world: World): Promise<Settled['operations']> {
  const ended: { kind: string; state: string; code?: string }[] = [];
  for (const id of world.startedOperations) {
    const o = await world.read(`/v1/operations/${id}`);
    ended.push(
      o
        ? { kind: o.kind, state: o.state, ...(o.error ? { code: o.error.code } : {}) }
        : { kind: 'unknown', state: 'not found' },
    );
  }
  return ended;
}

async function looks(world: World, isIdle: boolean): Promise<string[]> {
  const { site } = world;
  const found = await site.violations();
  if (isIdle) found.push(...(await site.disagreements()).map((d) => `hosts: ${d}`));
  return found;
}
