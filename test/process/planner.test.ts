import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import type { LeaseId } from '../../domain/ids';
import { type LeaseQuestion, planLease, takesLong } from '../../domain/leases/plan';
import { movesLookedFor } from '../../domain/migration/moves-elsewhere';
import { decideMoves, type MoveQuestion } from '../../domain/migration/plan-moves';
import type { plannerInThread } from '../../process/planner';
import { context, host, packing, serviceId, tenantId } from '../support/placement';
import { planted } from '../support/planted';
import { membersOf, sketch } from '../support/recompose';

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

  describe('of what was on a host that is lost', () => {
    const { snapshot, request } = planted('3', 10, 0.97);
    const manifest = sketch([{ name: 'app', instances: request.vees.length }]);
    const labels = request.vees.map((v) => `app/${v.index}@old`);
    const vees = membersOf(manifest, ...labels).map((v, i) => ({
      ...v,
      template: { ...v.template, capacity: request.vees[i]?.need ?? v.template.capacity },
    }));
    const question: MoveQuestion = {
      ...{ verb: 'relocate', manifest, serviceId, vees, policy: packing, context, hosts: [], snapshot },
      budget: { linkKbps: 1_000_000, streamKbps: 1_000_000 },
      params: { partial: true, cause: 'host-lost' },
    };

    it('find room for all where the quick way leaves some out', async () => {
      const quick = decideMoves(question);
      expect(quick).toMatchObject({ kind: 'moves' });
      expect(quick.kind === 'moves' && quick.left.length).toBeGreaterThan(0);
      const { decision, awaited } = await movesLookedFor(question, planner.decideMoves, async () => []);
      expect(decision).toMatchObject({ kind: 'moves', left: [], blueprint: { algorithm: 'portfolio' } });
      expect(decision.kind === 'moves' && decision.moves).toHaveLength(vees.length);
      expect(awaited).toEqual([]);
    }, 30_000);

    it('are what the quick way finds where nobody has time, and to be asked again where that takes too long here', async () => {
      const busy = () => Promise.reject(new SluiceError('unavailable', 'Too many ask for a plan at once.'));
      const { decision } = await movesLookedFor(question, busy, async () => []);
      expect(decision).toEqual(decideMoves(question));
      const large = { ...question, snapshot: { ...snapshot, hosts: Array(1_000).fill(snapshot.hosts[0]) } };
      await expect(movesLookedFor(large, busy, async () => [])).rejects.toMatchObject({
        code: 'unavailable',
      });
    });
  });
});
