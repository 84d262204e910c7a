import type { HostRecord } from '../host';
import type { VeeRecord } from '../vee/vee';
import type { BatchPlan } from './batches';
import type { LivingVee } from './deployment';

/** A scale plan in the form that its executor needs. */
export interface ScalingChange {
  readonly create: readonly number[];
  readonly retire: readonly LivingVee[];
  /** Those to retire when they are too many to be told one by one. */
  readonly retireInBatches?: BatchPlan;
}

export interface ScalePlan {
  /** Array indices to create, lowest free first. */
  readonly create: readonly number[];
  /** VEEs to retire, in order. */
  readonly retire: readonly VeeRecord[];
}

/** What is known of the hosts that members are on; without it all count as sound. */
export interface HostStanding {
  /** Is it closed to new VEEs, being emptied, or not answering? */
  readonly leaving: boolean;
  /** Members that it reports as not running, as of then: what was recorded later it does not speak of. */
  readonly ailing: ReadonlySet<string>;
  readonly reportedAt: number;
}

/**
 * What must change to bring an elastic array from its living members to `wanted`. Retired first are those that
 * serve least: that don't run, or whose host is leaving; then those on the host that carries most of the array
 * (which evens it out), then the youngest index. No choice can break a constraint: fewer members stand apart as well
 * as more, and what must be together stays where it is. A pure function of the members, so a repeated plan is the
 * same plan.
 */
export function planScaling(
  members: readonly VeeRecord[],
  wanted: number,
  hosts: ReadonlyMap<string, HostStanding> = new Map(),
): ScalePlan {
  const living = members.filter((v) => v.state !== 'DESTROYED').sort((a, b) => a.index - b.index);
  if (living.length <= wanted) {
    const used = new Set(living.map((v) => v.index));
    const create: number[] = [];
    for (let index = 0; create.length < wanted - living.length; index++)
      if (!used.has(index)) create.push(index);
    return { create, retire: [] };
  }
  const load = new Map<string, number>();
  for (const v of living) load.set(v.hostId, (load.get(v.hostId) ?? 0) + 1);
  const remaining = [...living];
  const retire: VeeRecord[] = [];
  while (remaining.length > wanted) {
    const victim = remaining.reduce((worst, v) => (before(v, worst, load, hosts) ? v : worst));
    retire.push(victim);
    remaining.splice(remaining.indexOf(victim), 1);
    load.set(victim.hostId, (load.get(victim.hostId) ?? 1) - 1);
  }
  return { create: [], retire };
}

function before(
  a: VeeRecord,
  b: VeeRecord,
  load: ReadonlyMap<string, number>,
  hosts: ReadonlyMap<string, HostStanding>,
): boolean {
  const [x, y] = [badness(a, hosts.get(a.hostId)), badness(b, hosts.get(b.hostId))];
  if (x !== y) return x > y;
  const byLoad = (load.get(a.hostId) ?? 0) - (load.get(b.hostId) ?? 0);
  return byLoad > 0 || (byLoad === 0 && a.index > b.index);
}

const badness = (vee: VeeRecord, host: HostStanding | undefined): number =>
  (vee.state !== 'ACTIVE' || (host && host.reportedAt > vee.updatedAt && host.ailing.has(vee.id)) ? 2 : 0) +
  (host?.leaving ? 1 : 0);

export const standingOf = (hosts: readonly HostRecord[]): Map<string, HostStanding> =>
  new Map(
    hosts.map((h) => [
      h.id,
      {
        leaving: h.cordoned || h.liveness !== 'up',
        ailing: new Set(h.reported.filter((r) => r.state !== 'ACTIVE').map((r) => r.veeId)),
        reportedAt: h.reportedAt,
      },
    ]),
  );
