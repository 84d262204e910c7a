import type { HostId } from '../../domain/ids';
import type { Assignment, RequestedVee } from '../../domain/placement/model';
import { faultsOfPlan, verified } from '../../domain/placement/verified';
import { host, licensedSite, vee, within } from '../support/placement';

const at = ({ id, component, index }: RequestedVee, hostId: string) =>
  ({ veeId: id, component, index, hostId: hostId as HostId }) as Assignment;

describe('a plan before it is believed', () => {
  const site = licensedSite([host('h1', 300), host('h2', 300)], [{ name: 'db', count: 1, per: 'vee' }]);
  const [one, two] = [vee('app', 0, 200), vee('app', 1, 200)];
  const vees = [one, two];

  it('is found out where it breaks anything, and only there', () => {
    const request = { vees, constraints: [within('app')] };
    expect(faultsOfPlan(site, request, [at(one, 'h1'), at(two, 'h2')])).toEqual([]);
    expect(faultsOfPlan(site, request, [at(one, 'h1')])).toEqual(['some of what is asked for has no place']);
    const both = [at(one, 'h1'), at(two, 'h1')];
    expect(faultsOfPlan(site, request, both)).toEqual([
      'h1 has no room for its share',
      'vee-app-0 and vee-app-1 share h1',
    ]);
    expect(() => verified(site, request, both)).toThrow('A plan is wrong: h1 has no room for its share.');
    const licensed = { vees: vees.map((v) => ({ ...v, licences: ['db'] })), constraints: [] };
    const apart = [at(one, 'h1'), at(two, 'h2')];
    expect(faultsOfPlan(site, licensed, apart)).toEqual(['there are not enough licences']);
  });

  it('is not blamed for what was broken before', () => {
    const there = [5, 6].map((i) => ({ ...vee('app', i), hostId: 'h1' as HostId }));
    const request = { vees: [one], constraints: [within('app')] };
    expect(faultsOfPlan({ ...site, vees: there }, request, [at(one, 'h2')])).toEqual([]);
  });
});
