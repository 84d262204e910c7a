import type { VeeId } from '../../domain/ids';
import type { Counters } from '../../domain/measured';
import type { Measurement } from '../contract';
import type { KeptVee } from '../lib/vee-records';

/** In the environment of a VEE: so much of its CPU and of its memory it pretends to use while it runs. */
export const SIMULATED_LOAD = 'SLUICE_SIMULATED_LOAD_PERCENT';

/** Whatever it says: what no machine uses would make every heartbeat of its host unusable. */
const MOST_PERCENT = 1_000;

/** Counts what simulated VEEs would have used by now. What says nothing of it in its environment uses nothing. */
export class SimulatedUsage {
  private readonly counted = new Map<VeeId, { at: number; cpuMicros: number }>();

  /** @returns nothing while none of them says anything: then nothing is measured here */
  measure(vees: readonly KeptVee[], nowMillis: number): Measurement | undefined {
    const said = vees.filter(({ spec }) => spec.template.environment[SIMULATED_LOAD] !== undefined);
    for (const veeId of this.counted.keys())
      if (!said.some(({ spec }) => spec.veeId === veeId)) this.counted.delete(veeId);
    if (said.length === 0) return undefined;
    return { vees: new Map(said.map((vee) => [vee.spec.veeId, this.count(vee, nowMillis)])) };
  }

  private count({ spec: { veeId, template }, state }: KeptVee, nowMillis: number): Counters {
    const { at, cpuMicros } = this.counted.get(veeId) ?? { at: nowMillis, cpuMicros: 0 };
    const percent = Number(template.environment[SIMULATED_LOAD]);
    const share = state === 'ACTIVE' && percent > 0 ? Math.min(MOST_PERCENT, percent) / 100 : 0;
    const now = cpuMicros + share * template.capacity.cpuMillis * (nowMillis - at);
    this.counted.set(veeId, { at: nowMillis, cpuMicros: now });
    return { cpuMicros: now, memoryMiB: share * template.capacity.memoryMiB };
  }
}
