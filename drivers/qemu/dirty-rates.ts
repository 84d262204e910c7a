import type { VeeId } from '../../domain/ids';
import type { Machines } from './machines';

/** Measured anew after so long; for a second each time, by samples of the memory, which costs the guest nothing. */
const KEPT_MILLIS = 60_000;
const MEASURED_SECONDS = 1;
const KBIT_PER_MIB = 8_388.608;

interface Kept {
  readonly askedAt: number;
  readonly kbps?: number;
  readonly answered: boolean;
}

/** At which rate each machine of a host writes its memory: what decides whether it can be moved as it runs. */
export class DirtyRates {
  private readonly machines: Machines;
  private readonly kept = new Map<VeeId, Kept>();

  constructor(machines: Machines) {
    this.machines = machines;
  }

  /** What is known of those that run, kbit/s; what is not, is asked for, and known at a later call. */
  async of(veeIds: readonly VeeId[], atMillis: number): Promise<ReadonlyMap<VeeId, number>> {
    for (const veeId of this.kept.keys()) if (!veeIds.includes(veeId)) this.kept.delete(veeId);
    await Promise.all(veeIds.map((veeId) => this.look(veeId, atMillis).catch(() => this.kept.delete(veeId))));
    return new Map(
      veeIds.flatMap((veeId) => {
        const kbps = this.kept.get(veeId)?.kbps;
        return kbps === undefined ? [] : [[veeId, kbps] as const];
      }),
    );
  }

  private async look(veeId: VeeId, at: number): Promise<void> {
    const before = this.kept.get(veeId);
    if (before && !before.answered && at - before.askedAt > MEASURED_SECONDS * 1_000) {
      const qmp = await this.machines.qmp(veeId);
      const told = await qmp.execute<{ status: string; 'dirty-rate'?: number }>('query-dirty-rate');
      if (told.status === 'measuring') return;
      const rate = told['dirty-rate'];
      // QEMU says -1 for what it could not measure.
      const known = told.status === 'measured' && rate !== undefined && rate >= 0;
      this.kept.set(veeId, {
        ...{ askedAt: before.askedAt, answered: true },
        ...(known ? { kbps: Math.round(rate * KBIT_PER_MIB) } : {}),
      });
    } else if (!before || at - before.askedAt > KEPT_MILLIS) {
      const qmp = await this.machines.qmp(veeId);
      this.kept.set(veeId, { ...before, askedAt: at, answered: false });
      await qmp.execute('calc-dirty-rate', { 'calc-time': MEASURED_SECONDS });
    }
  }
}
