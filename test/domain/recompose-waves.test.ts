import fc from 'fast-check';
import type { VeeId } from '../../domain/ids';
import { type ComponentChange, componentWaves } from '../../domain/service/recompose-waves';

const policies = fc
  .record({ maxUnavailable: fc.nat(4), maxSurge: fc.nat(4) })
  .filter((p) => p.maxUnavailable + p.maxSurge > 0);

/** Any component: some stay (and a few of them are resized), some go, some come, some were left over. */
const changes = fc
  .record({
    staying: fc.nat(12),
    leaving: fc.nat(12),
    coming: fc.nat(12),
    stillborn: fc.nat(2),
    resized: fc.nat(12),
    policy: policies,
    seed: fc.integer(),
  })
  .map(({ staying, leaving, coming, stillborn, resized, policy }): ComponentChange => {
    const all = Array.from({ length: staying + leaving + stillborn }, (_, index) => ({
      veeId: `vee-${index}` as VeeId,
      index,
    }));
    return {
      component: 'app',
      members: staying + leaving,
      wanted: staying + coming,
      resizes: all.slice(0, Math.min(resized, staying)).map((v) => v.veeId),
      moves: [],
      leaving: all.slice(staying, staying + leaving),
      coming,
      stillborn: all.slice(staying + leaving),
      taken: all.map((v) => v.index),
      policy: { ...policy, onFailure: 'rollback' },
    };
  });

describe('the waves of a component', () => {
  it('never let more be missing, nor more be too many, than the policy says', () => {
    fc.assert(
      fc.property(changes, (change) => {
        const { members, wanted, policy, stillborn, leaving } = change;
        const fewest = Math.min(members, wanted) - policy.maxUnavailable;
        const most = Math.max(members, wanted) + policy.maxSurge;
        const dead = new Set(stillborn.map((v) => v.veeId));
        let here = members;
        for (const wave of componentWaves(change)) {
          // What starts is there at once, and serves only when all of the wave is ready; what goes is gone at once.
          const serving = here;
          for (const _ of wave.creates) expect(++here).toBeLessThanOrEqual(most);
          expect(serving).toBeGreaterThanOrEqual(fewest);
          for (const veeId of wave.destroys)
            if (!dead.has(veeId)) expect(--here).toBeGreaterThanOrEqual(fewest);
        }
        expect(here).toBe(wanted);
        const gone = componentWaves(change).flatMap((w) => w.destroys);
        expect([...gone].sort()).toEqual([...leaving, ...stillborn].map((v) => v.veeId).sort());
      }),
      { numRuns: 2_000 },
    );
  });

  it('never give a new VEE a place in the array that another still has', () => {
    fc.assert(
      fc.property(changes, (change) => {
        const indexOf = new Map([...change.leaving, ...change.stillborn].map((v) => [v.veeId, v.index]));
        const used = new Set(change.taken);
        for (const wave of componentWaves(change)) {
          for (const { index } of wave.creates) {
            expect(used.has(index)).toBe(false);
            used.add(index);
          }
          for (const veeId of wave.destroys) used.delete(indexOf.get(veeId) ?? -1);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('resize as many at once as the policy lets differ, and each once', () => {
    fc.assert(
      fc.property(changes, (change) => {
        const width = change.policy.maxUnavailable + change.policy.maxSurge;
        const waves = componentWaves(change);
        for (const { resizes } of waves) expect(resizes.length).toBeLessThanOrEqual(width);
        expect(waves.flatMap((w) => w.resizes)).toEqual(change.resizes);
      }),
    );
  });
});
