import fc from 'fast-check';
import type { HostId } from '../../domain/ids';
import type { Assignment } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { qualityOf } from '../../domain/placement/quality';
import { context, host, packing, snapshotOf, vee } from '../support/placement';

const striping = { name: 'striping' };

/** Every way to put so many on so many hosts. */
function* placements(vees: number, hosts: number): Generator<number[]> {
  for (let n = 0; n < hosts ** vees; n++)
    yield Array.from({ length: vees }, (_, v) => Math.floor(n / hosts ** v) % hosts);
}

describe('how good a plan is known to be', () => {
  it('is never told better than the best of all placements', () => {
    const sizes = fc.array(fc.constantFrom(100, 200, 300, 500), { minLength: 1, maxLength: 4 });
    const hosts = fc.array(fc.tuple(fc.constantFrom(500, 600, 900), fc.constantFrom(0, 0, 100)), {
      minLength: 1,
      maxLength: 3,
    });
    let planned = 0;
    fc.assert(
      fc.property(sizes, hosts, fc.constantFrom(packing, striping), (needs, given, policy) => {
        const snapshot = snapshotOf(
          given.map(([cpu, held], i) => {
            const one = host(`h${i}`, cpu);
            return { ...one, reserved: { ...one.reserved, cpuMillis: held } };
          }),
        );
        const vees = needs.map((cpu, i) => vee('app', i, cpu));
        const request = { vees, constraints: [] };
        const answer = plan(snapshot, request, policy, context);
        if (answer.kind === 'infeasible') return;
        planned++;
        const told = qualityOf(snapshot, request, answer.assignments, policy);
        if (!told) throw new Error('nothing is told');
        expect(told.gap).toBeCloseTo(told.cost === 0 ? 0 : 1 - told.bound / told.cost, 9);
        const costs = [...placements(vees.length, given.length)].flatMap((where) => {
          const used = given.map(([, held], h) =>
            needs.reduce<number>((sum, cpu, v) => sum + (where[v] === h ? cpu : 0), held),
          );
          if (used.some((u, h) => u > (given[h]?.[0] ?? 0))) return [];
          const named = where.map(
            (h, v) => ({ hostId: `h${h}` as HostId, veeId: vees[v]?.id }) as Assignment,
          );
          return qualityOf(snapshot, request, named, policy)?.cost ?? [];
        });
        const least = Math.min(...costs);
        expect(told.bound).toBeLessThanOrEqual(least + 1e-9);
        expect(told.cost).toBeGreaterThanOrEqual(least - 1e-9);
      }),
      { numRuns: 60, seed: 1 },
    );
    expect(planned).toBeGreaterThan(20);
  });

  it('says what it counts', () => {
    const snapshot = snapshotOf([host('h0', 1_000), host('h1', 1_000)]);
    const request = { vees: [vee('app', 0, 400), vee('app', 1, 400)], constraints: [] };
    const of = (policy: { name: string }) => {
      const answer = plan(snapshot, request, policy, context);
      return answer.kind === 'blueprint'
        ? qualityOf(snapshot, request, answer.assignments, policy)
        : undefined;
    };
    expect(of(packing)).toEqual({ counts: 'hosts that come into use', cost: 1, bound: 1, gap: 0 });
    expect(of(striping)).toEqual({ counts: 'load of the fullest host', cost: 0.4, bound: 0.4, gap: 0 });
    expect(of({ name: 'profit' })).toBeUndefined();
  });
});
