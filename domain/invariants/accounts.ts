import { ledgerFaults } from '../accounting/ledger';
import { groupBy } from '../group-by';
import { SETTLED_MILLIS, type SystemState } from './model';

export function ledgerWhole({ ledger, vees, now }: SystemState) {
  const byVee = groupBy(ledger, (e) => e.veeId);
  const violations: string[] = [];
  for (const [veeId, events] of byVee) {
    events.sort((a, b) => a.seq - b.seq);
    for (const fault of ledgerFaults(events)) violations.push(`${veeId}: ${fault}`);
  }
  for (const v of vees) {
    // Its record and its ledger are read one after the other; a commit may have come in between.
    if (v.updatedAt > now - SETTLED_MILLIS) continue;
    const last = byVee.get(v.id)?.at(-1);
    const closed = last === undefined || last.kind === 'destroyed';
    if (v.state === 'DESTROYED' && !closed) violations.push(`${v.id} is destroyed and still metered`);
    if (['ACTIVE', 'PAUSED', 'SUSPENDED'].includes(v.state) && closed)
      violations.push(`${v.id} is ${v.state} and not metered`);
    if (last && !closed && last.hostId !== v.hostId)
      violations.push(`${v.id} is metered on ${last.hostId} and recorded on ${v.hostId}`);
  }
  return { checked: ledger.length, violations };
}

export function tenantsApart({ services, vees, operations }: SystemState) {
  const owner = new Map(services.map((s) => [s.id as string, s.tenantId]));
  const violations = [...vees, ...operations].flatMap((r) => {
    const mine = r.serviceId && owner.get(r.serviceId);
    return mine && mine !== r.tenantId ? [`${r.id} of ${r.tenantId} belongs to a service of ${mine}`] : [];
  });
  return { checked: vees.length + operations.length, violations };
}
