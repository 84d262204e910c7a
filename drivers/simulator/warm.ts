import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { WARM_FILES, type WarmFacts } from '../../domain/images/warm';
import type { VeeSpec } from '../contract';

export const SIMULATED_WARM = 'simulated';
export const NOTHING_CAPTURED: WarmFacts = {
  ...{ on: SIMULATED_WARM, memoryMiB: 1, vcpus: 1, diskMiB: 0, interfaces: 0 },
};

/** A warm image in all but the machine. Another each time, as of one that runs. */
export async function simulatedCapture(
  { veeId, template: { capacity }, networks = [] }: VeeSpec,
  into: string,
): Promise<WarmFacts> {
  if (capacity.diskMiB > 0) throw new SluiceError('driver-refused', 'Nothing is on a simulated disk.');
  const facts: WarmFacts = {
    on: SIMULATED_WARM,
    memoryMiB: capacity.memoryMiB,
    vcpus: Math.max(1, Math.ceil(capacity.cpuMillis / 1_000)),
    diskMiB: 0,
    interfaces: networks.length,
  };
  await writeFile(join(into, WARM_FILES.about), JSON.stringify({ facts, machine: {} }));
  await writeFile(join(into, WARM_FILES.memory), `simulated memory of ${veeId}, ${randomUUID()}`);
  return facts;
}
