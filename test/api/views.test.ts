import { blueprintView, eventView } from '../../api/views';
import type { TenantId } from '../../domain/ids';
import { plan } from '../../domain/placement/plan';
import { context, host, snapshotOf, vee } from '../support/placement';

const tenant = { role: 'tenant' } as const;
const operator = { role: 'operator' } as const;

describe('what tenants see', () => {
  it('is why their VEEs are where they are, but not what the site pays and earns', () => {
    const parameters = { benefitGold: 1.25, compensationGold: 400, energyPerKWh: 0.3 };
    const made = plan(
      snapshotOf([host('h1', 1_000, { price: { perHour: 3.7 } })]),
      { vees: [vee('app', 0, 500)], constraints: [], earnsAs: 'gold' },
      { name: 'profit', parameters },
      context,
    );
    if (made.kind !== 'blueprint') throw new Error('infeasible');
    const [seen, whole] = [blueprintView(made, tenant), blueprintView(made, operator)];
    expect(seen.policy).toEqual({ name: 'profit' });
    expect(seen.assignments[0]).toMatchObject({ because: 'the only host that can take it', verdicts: [] });
    expect(JSON.stringify(seen)).not.toMatch(/loss|1\.25|400|0\.3/);
    expect(whole.policy).toMatchObject({ parameters });
    expect(whole.assignments[0]?.because).toBe('the only host that can take it, at a loss of 2.45 an hour');
  });

  it('is what has become of what is theirs, but not on which hosts', () => {
    const event = {
      ...{ id: 'e', at: 1, kind: 'lease.moved', tenantId: 'acme' as TenantId, subject: 'rsv-1' },
      ...{ message: 'reservation web is on h1', toTenant: 'reservation web is elsewhere' },
    };
    const { toTenant: _, ...told } = event;
    expect(eventView(event, operator)).toEqual(told);
    expect(eventView(event, tenant)).toEqual({ ...told, message: 'reservation web is elsewhere' });
    expect(eventView(told, tenant)).toEqual(told);
  });
});
