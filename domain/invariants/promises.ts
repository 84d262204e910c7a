import type { HostId } from '../ids';
import { promisesOf } from '../leases/keep';
import { type Lease, MAKING_MILLIS } from '../leases/model';
import { overPromised } from '../placement/promised';
import { amountOf, nameOf, sameCapacity } from '../units';
import { utcText } from '../utc';
import type { SystemState } from './model';

/** What is over, cancelled or given up is taken back by the next look, which comes within a minute unless somebody has paused it. */
const NOTED_MILLIS = 120_000;

/** By what hosts have noted, and by what leases say: neither may promise what the other does not know of. */
export function promisesKept({ hosts, snapshotHosts, leases = [], now }: SystemState) {
  const byId = new Map(leases.map((l) => [l.id, l]));
  const hostsById = new Map(hosts.map((h) => [h.id, h]));
  const violations: string[] = [];
  let checked = 0;
  for (const host of hosts)
    for (const { leaseId, name, amount, since = 0 } of Object.values(host.promises ?? {})) {
      checked++;
      const lease = byId.get(leaseId);
      if (!lease) {
        // The record of what could not be made goes first.
        if (since + MAKING_MILLIS + NOTED_MILLIS < now)
          violations.push(
            `${host.id} has promised something to ${name} (${leaseId}), of which there is no record`,
          );
        continue;
      }
      // One that is being made, or being moved, is not in its record yet.
      if (!lease.confirmed) {
        if (lease.live && lease.createdAt + MAKING_MILLIS + NOTED_MILLIS < now)
          violations.push(`${host.id}: what was to be promised to reservation ${name} was never taken back`);
        continue;
      }
      if (Math.min(lease.until, lease.cancelledAt ?? Infinity) + NOTED_MILLIS < now)
        violations.push(`${host.id}: what was promised to reservation ${name} was never taken back`);
      const promised = promisesOf(lease).get(host.id);
      if (lease.live && !lease.risk && promised && !sameCapacity(promised.amount, amount))
        violations.push(`${host.id} has promised reservation ${name} another amount than it says`);
    }
  for (const lease of leases) {
    if (!lease.live || !lease.confirmed || lease.risk || lease.until <= now) continue;
    for (const { hostId } of lease.places)
      if (!hostsById.get(hostId)?.promises?.[lease.id])
        violations.push(`${hostId} knows nothing of reservation ${lease.name}, which counts on it`);
  }
  for (const host of snapshotHosts) {
    const over = overPromised(host, now);
    if (!over) continue;
    // What VEEs alone hold too much of is told of already, and what has come back smaller the next look sees.
    const alone = amountOf(host.reserved, over.dimension) > amountOf(host.capacity, over.dimension);
    if (alone || (hostsById.get(host.id)?.joinedAt ?? 0) + NOTED_MILLIS > now) continue;
    const atRisk = host.promised?.promises.some(
      (p) => p.from <= over.at && over.at < p.until && isAtRisk(byId.get(p.leaseId), host.id),
    );
    if (!atRisk)
      violations.push(
        `${host.id}: more ${nameOf(over.dimension)} is held and promised than it has, from ${utcText(over.at)} on`,
      );
  }
  return { checked, violations };
}

/** Whoever counts on it has been told. */
const isAtRisk = (lease: Lease | undefined, hostId: HostId): boolean =>
  lease?.risk != null && (lease.risk.hosts?.includes(hostId) ?? true);
