import type { HostId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { DEFAULT_MIGRATION_BUDGET } from '../../domain/migration/estimate';
import type { Constraint, SnapshotHost } from '../../domain/placement/model';
import { randomFrom } from '../../domain/placement/optimize/random';
import type { BalancedVee, BalancePlan, BalanceQuestion } from '../../domain/rebalance/model';
import { add, type Capacity, fits, ZERO } from '../../domain/units';

const CAPACITY: Capacity = { cpuMillis: 32_000, memoryMiB: 131_072, diskMiB: 4_000_000, bandwidthKbps: 0 };

/** A site of so many hosts in zones of ten, with services of eight VEEs of which every other service keeps them apart. */
export function siteOf(hosts: number, vees: number, seed: string): BalanceQuestion {
  const random = randomFrom(`${seed}/${hosts}x${vees}`);
  const used = Array.from({ length: hosts }, () => ZERO);
  const services = Array.from({ length: hosts }, () => new Set<string>());
  const constraints: Constraint[] = [];
  const placed: BalancedVee[] = [];
  for (let n = 0; n < vees; n++) {
    const service = Math.floor(n / 8);
    const serviceId = `s${service}` as ServiceId;
    const apart = service % 2 === 0;
    if (apart && n % 8 === 0)
      constraints.push({ kind: 'apart-within', level: 'host', serviceId, component: 'app', most: 1 });
    // Such that some half of the site is in use.
    const share = ((hosts / vees) * 0.5 * (0.4 + 1.2 * random())) as number;
    const need = {
      cpuMillis: Math.round(CAPACITY.cpuMillis * share),
      memoryMiB: Math.round(CAPACITY.memoryMiB * share * (0.7 + 0.6 * random())),
      ...{ diskMiB: 1_000, bandwidthKbps: 0 },
    };
    const host = someHost(random, hosts, (h) => {
      const free = fits(CAPACITY, add(used[h] ?? ZERO, need));
      return free && !(apart && services[h]?.has(serviceId));
    });
    used[host] = add(used[host] ?? ZERO, need);
    services[host]?.add(serviceId);
    placed.push({
      ...{ id: `v${n}` as VeeId, tenantId: 't' as TenantId, serviceId, serviceName: serviceId },
      ...{ component: 'app', index: n % 8, need, image: 'i', stopGraceMillis: 0, hostId: hostId(host) },
    });
  }
  return {
    at: 0,
    hosts: Array.from({ length: hosts }, (_, h) => hostOf(h, used[h] ?? ZERO)),
    vees: placed,
    constraints,
    policy: { name: 'packing' },
    budget: DEFAULT_MIGRATION_BUDGET,
    mostMoves: 100,
  };
}

const hostId = (h: number) => `h${h}` as HostId;

function hostOf(h: number, reserved: Capacity): SnapshotHost {
  return {
    ...{ id: hostId(h), zone: `z${Math.floor(h / 10)}`, labels: {}, liveness: 'up', cordoned: false },
    ...{ driver: 'simulator', images: ['i'], capacity: CAPACITY, reserved },
    capabilities: { migration: 'live' } as SnapshotHost['capabilities'],
  };
}

/** Uneven: a third of the hosts is tried first, so that there is something to even out and to free. */
function someHost(random: () => number, hosts: number, may: (host: number) => boolean): number {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const among = random() < 0.6 ? Math.ceil(hosts / 3) : hosts;
    const host = Math.floor(random() * among);
    if (may(host)) return host;
  }
  throw new Error('the site is full: try another seed');
}

/** The site once a plan has been carried out, for the next run within the hour, which leaves alone what has moved. */
export function afterwards(question: BalanceQuestion, { moves }: BalancePlan): BalanceQuestion {
  const to = new Map(moves.flatMap((m) => m.veeIds.map((id) => [id, m.toHostId])));
  const vees = question.vees.map((v) => ({
    ...v,
    hostId: to.get(v.id) ?? v.hostId,
    ...(to.has(v.id) ? { fixed: 'a rebalance has moved it within the hour, or tried to' } : {}),
  }));
  const reserved = new Map<HostId, Capacity>();
  for (const v of vees) reserved.set(v.hostId, add(reserved.get(v.hostId) ?? ZERO, v.need));
  return {
    ...question,
    vees,
    hosts: question.hosts.map((h) => ({ ...h, reserved: reserved.get(h.id) ?? ZERO })),
  };
}
