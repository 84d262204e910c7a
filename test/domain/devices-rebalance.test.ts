import fc from 'fast-check';
import type { SnapshotHost } from '../../domain/placement/model';
import { planRebalance } from '../../domain/rebalance/plan';
import { CAPACITY, faults, site, vee } from '../support/balance';

const HOSTS = ['a', 'b', 'c'];
/** Which VEE needs how many GPUs, and where it is; what there is on each host beyond that. */
const world = fc.record({
  vees: fc.array(fc.record({ gpu: fc.nat(2), at: fc.nat(HOSTS.length - 1) }), { minLength: 1, maxLength: 9 }),
  more: fc.array(fc.nat(3), { minLength: HOSTS.length, maxLength: HOSTS.length }),
  policy: fc.constantFrom('striping', 'packing'),
});

describe('a rebalance of hosts with devices', () => {
  it('moves nothing to where there are too few, at no moment of it', () => {
    let moves = 0;
    fc.assert(
      fc.property(world, ({ vees: sketches, more, policy }) => {
        const vees = sketches.map(({ gpu, at }, n) => {
          const plain = vee(n, HOSTS[at] ?? 'a');
          return { ...plain, need: { ...plain.need, ...(gpu > 0 ? { devices: { gpu } } : {}) } };
        });
        const heldOn = (id: string) => sketches.reduce((n, s) => n + (HOSTS[s.at] === id ? s.gpu : 0), 0);
        const gpus = new Map(HOSTS.map((id, h) => [id, heldOn(id) + (more[h] ?? 0)]));
        const host = (id: string): Partial<SnapshotHost> => {
          const gpu = gpus.get(id) ?? 0;
          return { capacity: { ...CAPACITY, ...(gpu > 0 ? { devices: { gpu } } : {}) } };
        };
        const question = site(HOSTS, vees, { policy: { name: policy } }, host);
        const plan = planRebalance(question);
        expect(faults(question, plan)).toEqual([]);
        // Counted apart from that: in a wave both places are held.
        const held = new Map(HOSTS.map((id) => [id, heldOn(id)]));
        const change = (id: string, by: number) => held.set(id, (held.get(id) ?? 0) + by);
        for (const wave of plan.waves) {
          const of = wave.flatMap((i) => plan.moves[i] ?? []);
          const needOf = (m: (typeof of)[number]) =>
            vees.reduce((n, v) => n + (m.veeIds.includes(v.id) ? (v.need.devices?.gpu ?? 0) : 0), 0);
          for (const m of of) change(m.toHostId, needOf(m));
          for (const id of HOSTS) expect(held.get(id)).toBeLessThanOrEqual(gpus.get(id) ?? 0);
          for (const m of of) change(m.fromHostId, -needOf(m));
          moves += of.length;
        }
      }),
      { numRuns: 200 },
    );
    expect(moves).toBeGreaterThan(100);
  });

  it('evens no devices out: who needs many finds them on one host', () => {
    const capacity = { ...CAPACITY, devices: { gpu: 4 } };
    const small = { cpuMillis: 1, memoryMiB: 1, diskMiB: 0, bandwidthKbps: 0 };
    const vees = [0, 1, 2, 3].map((n) => ({
      ...vee(n, n < 2 ? 'a' : 'b'),
      need: { ...small, ...(n < 2 ? { devices: { gpu: 2 } } : {}) },
    }));
    const plan = planRebalance(site(['a', 'b'], vees, {}, () => ({ capacity })));
    expect(plan).toMatchObject({ moves: [], before: 0, after: 0 });
    // Nor do they count for how uneven hosts are told to be.
    const plain = { ...vee(4, 'a'), need: { ...small, cpuMillis: 800 } };
    const uneven = planRebalance(site(['a', 'b'], [...vees, plain], {}, () => ({ capacity })));
    const without = planRebalance(site(['a', 'b'], [plain], {}));
    expect(uneven.before).toBeCloseTo(without.before, 3);
  });

  it('takes no host for uneven that has none of a device', () => {
    const gpu = { capacity: { ...CAPACITY, devices: { gpu: 2 } } };
    const vees = HOSTS.map((id, n) => vee(n, id));
    const needing = vees.map((v, n) => (n === 0 ? { ...v, need: { ...v.need, devices: { gpu: 1 } } } : v));
    const plan = planRebalance(site(HOSTS, needing, {}, (id) => (id === 'a' ? gpu : {})));
    expect(plan).toMatchObject({ moves: [], before: 0, after: 0 });
  });
});
