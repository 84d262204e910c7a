import { groupBy } from '../../domain/group-by';
import type { BlueprintId, HostId, OperationId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import type { Constraint, PlacementRequest, SnapshotHost } from '../../domain/placement/model';
import { Evacuations } from '../../domain/placement/online/evacuations';
import { OnlineSite } from '../../domain/placement/online/online-site';
import type { Resident } from '../../domain/placement/online/residents';
import { NOWHERE } from '../../domain/placement/online/rule-counts';
import { randomFrom } from '../../domain/placement/optimize/random';
import { plan } from '../../domain/placement/plan';
import { type Capacity, DIMENSIONS, ZERO } from '../../domain/units';

const HOSTS = 1_000;
const ZONES = 20;
const GOAL_MILLIS = 5;
/** Hosts that are asked one after the other for one VEE. */
const MOST_TRIED = 50;
const CAPACITY: Capacity = {
  ...{ cpuMillis: 64_000, memoryMiB: 262_144, diskMiB: 4_000_000, bandwidthKbps: 10_000_000 },
};

/**
 * A site of 1,000 hosts that is filled VEE by VEE such that any host may be lost at any moment, or any zone, until a VEE finds
 * no place; services of eight, of which every other one keeps its VEEs apart. Then what is to become of each loss is counted anew.
 */
export function spareRows(seeds: readonly string[]): string[][] {
  const decisions = (['host', 'zone'] as const).flatMap((lose) => seeds.map((seed) => filled(lose, seed)));
  return [...decisions, wholePlan()];
}

const VEES = 10_000;
const PLANS = 10;

/** A plan as it is asked for, which first has to find out where all would go: what one decision costs in the product. */
function wholePlan(): string[] {
  const need: Capacity = { ...ZERO, cpuMillis: 4_000, memoryMiB: 16_000 };
  const placed = Array.from({ length: VEES }, (_, n) => ({
    ...{ id: `v${n}` as VeeId, tenantId: 't' as TenantId, serviceId: `s${Math.floor(n / 8)}` as ServiceId },
    ...{ component: 'app', hostId: `h${n % HOSTS}` as HostId, image: 'web', need },
  }));
  const perHost = VEES / HOSTS;
  const reserved = { ...ZERO, cpuMillis: perHost * need.cpuMillis, memoryMiB: perHost * need.memoryMiB };
  const hosts = Array.from({ length: HOSTS }, (_, h) => ({ ...hostOf(h), reserved }));
  const vees = placed.map((v) => ({ ...v, slaClass: 'bronze' as const, constraints: rulesOf(v.serviceId) }));
  const snapshot = {
    at: 0,
    hosts,
    vees: placed,
    spare: { lose: 'host' as const, least: 'bronze' as const, vees },
  };
  const millis = Array.from({ length: PLANS }, (_, n) => {
    const serviceId = `new${2 * n}` as ServiceId;
    const request: PlacementRequest = {
      ...{ constraints: [], slaClass: 'bronze' },
      vees: Array.from({ length: 8 }, (__, index) => ({
        ...{ id: `n${index}` as VeeId, tenantId: 't' as TenantId, serviceId, component: 'app', index, need },
        image: 'web',
      })),
    };
    const [blueprintId, operationId] = ['bp' as BlueprintId, 'op' as OperationId];
    const began = performance.now();
    const answer = plan(
      snapshot,
      request,
      { name: 'striping' },
      { now: 0, seed: 's', blueprintId, operationId },
    );
    if (answer.kind !== 'blueprint') throw new Error('there is room for all of them');
    return performance.now() - began;
  }).sort((a, b) => a - b);
  const median = millis[PLANS / 2] ?? Number.NaN;
  return [
    ...['any host: a whole plan of 8 VEEs', `${VEES} VEEs`, `${median.toFixed(0)} ms, nothing known before`],
    ...[`${(millis.at(-1) ?? 0).toFixed(0)} ms`, 'none set'],
  ];
}

function filled(lose: 'host' | 'zone', seed: string): string[] {
  const random = randomFrom(`spare/${lose}/${seed}`);
  const hosts = Array.from({ length: HOSTS }, (_, h) => hostOf(h));
  const site = new OnlineSite(hosts, 'tightest');
  const evacuations = new Evacuations(site, lose, []);
  const residents: Resident[] = [];
  const millis: number[] = [];
  for (let n = 0; ; n++) {
    const service = `s${Math.floor(n / 8)}` as ServiceId;
    const kind = site.kindOf({
      ...{ serviceId: service, tenantId: 't' as TenantId, component: 'app', image: 'web' },
      constraints: rulesOf(service),
    });
    const share = () => 0.02 + 0.22 * random() * random();
    const need = Object.fromEntries(DIMENSIONS.map((d) => [d, Math.round(CAPACITY[d] * share())]));
    const shape = site.rooms.shapeOf(need as unknown as Capacity);
    const began = performance.now();
    const placed = allocate(site, evacuations, {
      kind,
      shape,
      service,
      unit: undefined,
      counts: true,
      name: service,
    });
    millis.push(performance.now() - began);
    if (!placed) break;
    residents.push(placed);
  }
  verify(site, evacuations, residents, lose);
  let used = 0;
  for (let h = 0; h < HOSTS; h++) used += site.rooms.loadOf(h);
  millis.sort((a, b) => a - b);
  const mean = millis.reduce((a, b) => a + b, 0) / millis.length;
  const p99 = millis[Math.floor(0.99 * millis.length)] ?? Number.NaN;
  return [
    `any ${lose}, seed ${seed}`,
    `${residents.length} VEEs, ${Math.round((100 * used) / HOSTS)} % full`,
    `${mean.toFixed(2)} ms, ${p99.toFixed(1)} ms at the 99th percentile`,
    `${(millis.at(-1) ?? 0).toFixed(0)} ms`,
    p99 <= GOAL_MILLIS ? 'met' : 'NOT MET',
  ];
}

/** Knows nothing of how it was found: after each loss every lost VEE has a place with room, apart where it has to be. */
function verify(
  site: OnlineSite,
  evacuations: Evacuations,
  residents: readonly Resident[],
  lose: 'host' | 'zone',
): void {
  const domainOf = (host: number) => (lose === 'host' ? host : (site.zoneOf[host] as number));
  const byDomain = groupBy(residents, (r) => domainOf(r.host));
  const standing = groupBy(residents, (r) => r.host);
  for (const [domain, lost] of byDomain) {
    const to = new Map(evacuations.evacuationOf(domain).moves.map((move) => [move.resident, move.to]));
    for (const [host, coming] of groupBy(lost, (r) => to.get(r))) {
      if (host === undefined || domainOf(host) === domain)
        throw new Error(`after the loss of ${lose} ${domain} ${coming.length} have no place`);
      if (
        !site.rooms.fitTogether(
          coming.map((r) => r.shape),
          host,
        )
      )
        throw new Error(`host ${host} has no room`);
      const apart = [...coming, ...(standing.get(host) ?? [])].filter((r) => isApart(r.service));
      if (new Set(apart.map((r) => r.service)).size < apart.length) throw new Error('two are not apart');
    }
  }
}

/** The tightest host that takes it and leaves the room that is kept: where one does not, the next tightest is asked. */
function allocate(
  site: OnlineSite,
  evacuations: Evacuations,
  wanted: Omit<Resident, 'host'>,
): Resident | undefined {
  const refused: number[] = [];
  let placed: Resident | undefined;
  while (!placed && refused.length < MOST_TRIED) {
    const host = site.find(wanted.kind, wanted.shape);
    if (host === NOWHERE) break;
    const resident = { ...wanted, host };
    if (evacuations.admit([resident], host) === undefined) placed = resident;
    else {
      refused.push(host);
      site.closeHost(host);
    }
  }
  for (const host of refused) site.openHost(host);
  return placed;
}

function hostOf(h: number): SnapshotHost {
  return {
    ...{ id: `h${h}` as HostId, zone: `z${h % ZONES}`, liveness: 'up', cordoned: false, driver: 'simulator' },
    ...{ labels: {}, images: ['web'], capacity: CAPACITY, reserved: ZERO },
    capabilities: { migration: 'live' } as SnapshotHost['capabilities'],
  };
}

const isApart = (serviceId: ServiceId) => Number(serviceId.slice(1)) % 2 === 0;

const rulesOf = (serviceId: ServiceId): Constraint[] =>
  isApart(serviceId) ? [{ kind: 'apart-within', level: 'host', most: 1, serviceId, component: 'app' }] : [];
