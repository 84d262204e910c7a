import fc from 'fast-check';
import type { HostId, ServiceId } from '../../domain/ids';
import type { BalancedVee, BalanceQuestion } from '../../domain/rebalance/model';
import { planRebalance } from '../../domain/rebalance/plan';
import { fits, subtract, sum } from '../../domain/units';
import { CAPACITY, carriedOut, site, vee } from '../support/balance';

const drawn = fc.record({
  hosts: fc.integer({ min: 3, max: 5 }),
  vees: fc.array(fc.record({ at: fc.nat(4), cpu: fc.integer({ min: 1, max: 5 }), apart: fc.boolean() }), {
    minLength: 3,
    maxLength: 9,
  }),
  policy: fc.constantFrom('packing', 'striping'),
});

/** Each service keeps its VEEs apart where they are; with `counting` the loss of any host may strand none. */
function questionOf({
  hosts,
  vees,
  policy,
}: typeof drawn extends fc.Arbitrary<infer D> ? D : never): BalanceQuestion {
  const ids = Array.from({ length: hosts }, (_, n) => `h${n}`);
  const placed: BalancedVee[] = [];
  for (const [n, { at, cpu, apart }] of vees.entries()) {
    const one = vee(n, `h${at % hosts}`, {
      serviceId: (apart ? 'apart' : 'any') as ServiceId,
      need: { cpuMillis: cpu * 1_000, memoryMiB: 1, diskMiB: 0, bandwidthKbps: 0 },
    });
    const there = placed.filter((v) => v.hostId === one.hostId);
    const roomy = fits(subtract(CAPACITY, sum(there.map((v) => v.need))), one.need);
    if (roomy && !(apart && there.some((v) => v.serviceId === one.serviceId))) placed.push(one);
  }
  const apart = { kind: 'apart-within', level: 'host', most: 1, component: 'app' } as const;
  return site(ids, placed, {
    ...{ policy: { name: policy }, constraints: [{ ...apart, serviceId: 'apart' as ServiceId }] },
  });
}

const spare = { lose: 'host', counting: ['apart', 'any'] as unknown as ServiceId[] } as const;

describe('a rebalance, where room is kept for losses', () => {
  it('leaves a place for all that is lost with any host, if there was one before', () => {
    let [taken, kept] = [0, 0];
    fc.assert(
      fc.property(drawn, (scene) => {
        const question = questionOf(scene);
        const without = planRebalance(question);
        const plan = planRebalance({ ...question, spare });
        for (const { id } of question.hosts) {
          if (!survives(question, id)) continue;
          if (without.moves.length > 0 && !survives(carriedOut(question, without), id)) taken++;
          if (plan.moves.length === 0) continue;
          kept++;
          expect(survives(carriedOut(question, plan), id)).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
    // Neither is rare: that room is taken where none is kept, and that something is moved all the same.
    expect(taken).toBeGreaterThan(0);
    expect(kept).toBeGreaterThan(150);
  });
});

/** By trying all. */
function survives({ hosts, vees }: BalanceQuestion, gone: HostId): boolean {
  const tryAll = (left: readonly BalancedVee[], placed: readonly BalancedVee[]): boolean => {
    const [next, ...others] = left;
    if (!next) return true;
    return hosts.some(({ id: hostId, capacity }) => {
      if (hostId === gone) return false;
      const there = placed.filter((v) => v.hostId === hostId);
      if (next.serviceId === 'apart' && there.some((v) => v.serviceId === 'apart')) return false;
      const need = sum([...there, next].map((v) => v.need));
      return fits(capacity, need) && tryAll(others, [...placed, { ...next, hostId }]);
    });
  };
  return tryAll(
    vees.filter((v) => v.hostId === gone),
    vees.filter((v) => v.hostId !== gone),
  );
}
