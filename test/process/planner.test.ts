import { join } from 'node:path';
import type { LeaseId } from '../../domain/ids';
import { type LeaseQuestion, planLease, takesLong } from '../../domain/leases/plan';
import type { plannerInThread } from '../../process/planner';
import { host, tenantId } from '../support/placement';

// What begins threads has to be compiled: `npm test` does that first.
const built = require(join(process.cwd(), 'dist', 'process', 'planner.js')) as {
  plannerInThread: typeof plannerInThread;
};

describe('plans that others do not wait for', () => {
  const planner = built.plannerInThread({ policyFolder: undefined, algorithmFolder: undefined });
  const amount = { cpuMillis: 10, memoryMiB: 10, diskMiB: 0, bandwidthKbps: 0 };

  const asked = (hosts: number, count: number): LeaseQuestion => ({
    site: {
      at: 1_000,
      vees: [],
      hosts: Array.from({ length: hosts }, (_, i) => ({
        ...host(`h${i}`, 1_000),
        promised: {
          stays: [],
          promises: Array.from({ length: 10 }, (__, n) => ({
            ...{ leaseId: `rsv-${n}` as LeaseId, name: `r${n}`, tenantId, amount },
            ...{ from: 1_000 + 1_000 * n, until: 8_000 + 1_000 * n },
          })),
        },
      })),
    },
    shape: { tenantId, count, each: { ...amount, cpuMillis: 500 }, labels: {}, apart: true },
    time: { kind: 'immediate', from: 1_500, millis: 5_000 },
  });

  it('are the same elsewhere as here, places as well as refusals', async () => {
    for (const count of [300, 500]) {
      const question = asked(400, count);
      expect(takesLong(question)).toBe(true);
      const here = planLease(question);
      expect(here.kind).toBe(count === 300 ? 'lease' : 'no-lease');
      let turns = 0;
      const ticking = setInterval(() => turns++, 1);
      expect(await planner.planLease(question)).toEqual(here);
      clearInterval(ticking);
      expect(turns).toBeGreaterThan(0);
    }
    expect(takesLong(asked(100, 1))).toBe(false);
  }, 30_000);
});
