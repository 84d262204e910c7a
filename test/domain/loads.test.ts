import type { HostId } from '../../domain/ids';
import { loadChanges } from '../../domain/placement/loads';
import { plan } from '../../domain/placement/plan';
import { context, host, packing, snapshotOf, vee } from '../support/placement';

describe('the load of hosts by a plan', () => {
  const used = { cpuMillis: 500, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 };
  const site = snapshotOf([host('a', 1_000, { reserved: used }), host('b', 1_000), host('c', 1_000)]);
  const change = (vees: Parameters<typeof loadChanges>[1]['vees']) => {
    const answer = plan(site, { vees, constraints: [] }, packing, context);
    if (answer.kind !== 'blueprint') throw new Error('infeasible');
    return loadChanges(site, { vees }, answer.assignments);
  };

  it('is told before and after, of the hosts that it changes', () => {
    expect(change([vee('app', 0, 100), vee('app', 1, 200)])).toEqual([
      { hostId: 'a', before: 0.5, after: 0.8 },
    ]);
  });

  it('falls where something leaves, and stays where it stays', () => {
    const moving = (away: boolean, to: string) => ({
      ...vee('app', 0, 300),
      moving: { from: 'a' as HostId, away, to },
    });
    expect(change([moving(true, 'b')])).toEqual([
      { hostId: 'a', before: 0.5, after: 0.2 },
      { hostId: 'b', before: 0, after: 0.3 },
    ]);
    expect(change([moving(false, 'a')])).toEqual([]);
  });
});
