import { groupBy } from '../group-by';
import type { HostId } from '../ids';
import { isServiceWide } from '../operation/operation';
import { breaches } from '../placement/constraints';
import { licencesExceeded, placesOn } from '../placement/licences';
import type { SnapshotHost } from '../placement/model';
import { tenantsTogether } from '../placement/tenancy';
import { amountOf, dimensionsOf, sum } from '../units';
import { occupiesHost } from '../vee/state-machine';
import { isUnderWay, type SystemState } from './model';

/**
 * By what drivers report, not only by what we recorded: two records can't both be wrong alike. A report that
 * is older than a record's last change says nothing about it, and a silent host's may be long out of date.
 */
export function runsOnce({ hosts, vees, operations, now }: SystemState) {
  const byId = new Map(vees.map((v) => [v.id as string, v]));
  const fresh = hosts.flatMap((h) =>
    h.reported
      .filter((r) => r.state === 'ACTIVE' && h.reportedAt > (byId.get(r.veeId)?.updatedAt ?? 0))
      .map((r) => ({ veeId: r.veeId, hostId: h.id as string })),
  );
  const running = groupBy(fresh, (r) => r.veeId);
  const violations: string[] = [];
  for (const [veeId, on] of running) {
    const where = on.map((r) => r.hostId).join(' and ');
    if (on.length > 1) violations.push(`${veeId} runs on ${where}`);
    const vee = byId.get(veeId);
    if (!vee || vee.state === 'DESTROYED')
      violations.push(`${veeId} runs on ${where}, and is recorded ${vee ? 'destroyed' : 'nowhere'}`);
  }
  // An operation on the whole service takes no lock on each VEE, and may just be ending this one.
  const worked = new Set(
    operations.filter((o) => isUnderWay(o, now) && isServiceWide(o.kind)).map((o) => o.serviceId as string),
  );
  const answering = new Map(hosts.filter((h) => h.liveness === 'up').map((h) => [h.id, h]));
  for (const v of vees) {
    if (v.state !== 'ACTIVE' || v.transition !== null || worked.has(v.serviceId)) continue;
    const host = answering.get(v.hostId);
    if (!host || host.reportedAt <= v.updatedAt) continue;
    if (!host.reported.some((r) => r.veeId === v.id && r.state === 'ACTIVE'))
      violations.push(
        `${v.id} is recorded ACTIVE on ${v.hostId}, which does not run it: sluice restart ${v.id}`,
      );
  }
  return { checked: vees.length, violations };
}

export function reservationsHold({ hosts, vees, operations, licencePools = [], now }: SystemState) {
  const veeById = new Map(vees.map((v) => [v.id as string, v]));
  const underWay = operations.filter((o) => isUnderWay(o, now));
  const open = new Set(underWay.map((o) => o.id as string));
  // While an operation works on a service, its VEEs may hold or lack a place for a moment.
  const moving = new Set(underWay.map((o) => o.serviceId as string));
  const violations = licencesExceeded({ hosts, licences: { pools: licencePools, places: placesOn(hosts) } });
  let checked = licencePools.length;
  for (const host of hosts) {
    const total = sum(Object.values(host.reservations).map((r) => r.amount));
    for (const d of dimensionsOf(total, host.reserved)) {
      const [held, noted] = [amountOf(total, d), amountOf(host.reserved, d)];
      const has = amountOf(host.fingerprint.capacity, d);
      if (held !== noted)
        violations.push(`${host.id}: ${d} reserved ${noted}, but its reservations add up to ${held}`);
      if (held > has) violations.push(`${host.id}: ${held} ${d} reserved of ${has}`);
    }
    for (const [veeId, r] of Object.entries(host.reservations)) {
      checked++;
      const vee = veeById.get(veeId);
      const held = vee && occupiesHost(vee.state) && vee.hostId === host.id;
      if (!held && !open.has(r.operationId) && !(vee && moving.has(vee.serviceId)))
        violations.push(`${host.id}: the reservation of ${veeId} was never released`);
    }
  }
  for (const v of vees) {
    if (!occupiesHost(v.state) || moving.has(v.serviceId)) continue;
    const host = hosts.find((h) => h.id === v.hostId);
    const held = host?.reservations[v.id];
    if (host && !held) violations.push(`${v.id} occupies ${v.hostId} without a reservation`);
    for (const name of v.template.licences ?? [])
      if (held && !held.licences?.includes(name))
        violations.push(`${v.id} takes a licence of ${name} that its reservation does not`);
  }
  return { checked, violations };
}

export function constraintsHold({ constraints, vees, snapshotHosts, apart = new Map() }: SystemState) {
  const hosts = new Map<HostId, SnapshotHost>(snapshotHosts.map((h) => [h.id, h]));
  const placed = vees.filter((v) => occupiesHost(v.state));
  const violations = constraints.flatMap((c) => breaches(c, placed, hosts));
  return {
    checked: constraints.length + apart.size,
    violations: [...violations, ...tenantsTogether(apart, placed)],
  };
}
