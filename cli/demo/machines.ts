import { setTimeout as delay } from 'node:timers/promises';
import { probeContainers } from '../../drivers/container/probe';
import { probeNetworks } from '../../drivers/network/probe';
import { builtGuest, guestObstacle } from '../../drivers/qemu/guest/build';
import { type Obstacle, prepareMachines, qemuObstacle } from '../../drivers/qemu/probe';
import type { OperationView } from '../client';
import type { Story } from './story';

/** What the container read of the machine's counter, which is in the machine's memory alone. */
export interface MachinesTold {
  readonly from: string;
  readonly to: string;
  readonly counterBefore: number;
  readonly counterAfter: number;
  readonly readings: number;
}

const MOST_LINES = 1_000;
const READS_MILLIS = 30_000;
/** After a migration as many are awaited, so that none of them was on its way before. */
const READINGS_AFTER = 3;

/**
 * Can machines be beside containers here, both on one network? What takes its time once (the guest is built, KVM is
 * tried) is done by then.
 * @returns what is in the way, and what mends it; undefined when nothing is
 */
export async function machinesObstacle(say: (line: string) => void): Promise<Obstacle | undefined> {
  const obstacle = (await probeContainers()) ?? qemuObstacle() ?? (await probeNetworks());
  if (obstacle) return obstacle;
  // What it says of the accelerator, the site says again.
  await prepareMachines((await builtGuest()) ? () => undefined : say);
  if (await builtGuest()) return undefined;
  return {
    missing: 'the image sluice-guest',
    mend: `its packages come by ${guestObstacle() ?? 'apt-get'}: try apt-get update`,
  };
}

/** A machine is migrated as it runs, while a container goes on reading its counter over their network. */
export async function tellOfMachines(story: Story, applied: OperationView): Promise<MachinesTold> {
  await story.conclude(
    'Meanwhile: a virtual machine that counts in memory, and a container that reads the count over their network',
    applied,
  );
  const { serviceId } = applied;
  await story.showVees(serviceId);
  const reader = await story.member(serviceId, 'reader');
  const source = await story.member(serviceId, 'counter');
  const before = last(await readings(story, reader.id, 1));
  story.say(`  The container on ${reader.hostId} read ${before} from the machine on ${source.hostId}.`);

  const moved = await story.migrate(source);
  await story.conclude(`Migrate the machine away from ${source.hostId} as it runs: memory and all`, moved);
  const target = await story.member(serviceId, 'counter');
  const soFar = (await readings(story, reader.id, 1)).length;
  const all = await readings(story, reader.id, soFar + READINGS_AFTER);
  const after = last(all);
  if (target.hostId === source.hostId) throw new Error('the machine was not moved: the demo proved nothing');
  const back = all.findIndex((n, i) => n < (all[i - 1] ?? 0));
  if (back >= 0 || after <= before)
    throw new Error(`the machine’s counter did not go on: ${all.slice(-10).join(', ')}`);
  story.say(
    `  The container read ${after} from it on ${target.hostId}: it went on counting, and was reached at the same address.`,
  );
  return {
    from: source.hostId,
    to: target.hostId,
    counterBefore: before,
    counterAfter: after,
    readings: all.length,
  };
}

/** At least as many as asked for, in their order. @throws Error when they don't come */
async function readings(story: Story, reader: string, least: number): Promise<number[]> {
  for (const until = Date.now() + READS_MILLIS; ; ) {
    const { lines } = await story.client.get<{ lines: string[] }>(`/v1/vees/${reader}/logs`, {
      tail: MOST_LINES,
    });
    const found = lines.flatMap((line) => {
      const [, count] = /^counter at (\d+)$/.exec(line) ?? [];
      return count === undefined ? [] : [Number(count)];
    });
    if (found.length >= least) return found;
    if (Date.now() > until)
      throw new Error(`the container did not reach the machine: it said ${lines.slice(-3).join(' / ')}`);
    await delay(250);
  }
}

const last = (numbers: readonly number[]): number => numbers.at(-1) ?? 0;
