import { derivedEntropy } from '../derived-entropy';
import { groupBy } from '../group-by';
import {
  type HostId,
  makeBlueprintId,
  makeOperationId,
  makeServiceId,
  type ServiceId,
  type TenantId,
  type VeeId,
} from '../ids';
import { initialInstances } from '../manifest/components';
import type { Manifest } from '../manifest/schema';
import { DEFAULT_SLA_CLASS } from '../manifest/sla-class';
import {
  add,
  amountOf,
  atLeastNothing,
  type Capacity,
  type Dimension,
  devicesOfAll,
  dimensionsOf,
  dominantShare,
  fits,
  nameOf,
  sum,
  ZERO,
} from '../units';
import { Board, unitsOf } from './feasibility';
import { placeOf, withPlaces } from './licences';
import type { Blueprint, PlacedVee, PlacementRequest, Refusal, Snapshot, SnapshotHost } from './model';
import { plan } from './plan';
import type { Policy } from './policy';
import { freeThroughout, keptFrom, spanOf } from './promised';
import { describeRefusal, inOrder, type RefusalGroup, refusalSummary } from './refusal-summary';
import { additionRequest, initialAdditions } from './request';

/** VEEs of one size, and where they may run. */
export interface Shape {
  readonly need: Capacity;
  /** Only hosts that have it. */
  readonly image?: string | undefined;
  /** Only hosts with all of these. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface HostRoom {
  readonly hostId: HostId;
  readonly fits: number;
  /** What keeps it from taking more. */
  readonly because: string;
}

export interface ShapeRoom {
  readonly fits: number;
  /** As many as would fit if what is free on the hosts that may take it were on one: the rest is scattered. */
  readonly fitsIfWhole: number;
  readonly hosts: readonly HostRoom[];
  /** What keeps how many hosts from taking more. */
  readonly limits: readonly RefusalGroup[];
}

/**
 * How many VEEs of a shape have room beside what is there? Each host is a case of its own, as nothing binds such VEEs to
 * each other. (What Ganeti's `hspace` answers.)
 */
export function roomForShape(snapshot: Snapshot, { need, image, labels }: Shape): ShapeRoom {
  const request = requestFor(need, image ?? '', labels);
  const board = new Board(snapshot, request);
  const [unit] = unitsOf(request);
  const there = devicesOfAll(snapshot.hosts.map((h) => h.capacity));
  const unknown = Object.entries(need.devices ?? {}).find(([d, many]) => many > 0 && !there.includes(d));
  const absent = unknown && describeRefusal({ reason: 'no-device', device: unknown[0], there });
  const judged = snapshot.hosts.map((host) => {
    if (absent) return { hostId: host.id, fits: 0, because: absent, free: undefined };
    const refusals = unit ? board.standing(unit, host) : [];
    const standing = image === undefined ? refusals.filter((r) => r.reason !== 'image-missing') : refusals;
    const free = freeThroughout(host, spanOf(snapshot.at));
    if (standing.length > 0)
      return { hostId: host.id, fits: 0, because: standing.map(whyClosed).join(', '), free: undefined };
    if (!fits(host.capacity, need))
      return { hostId: host.id, fits: 0, because: 'the host as a whole is too small', free: undefined };
    const times = timesIn(need, free);
    const scarce = dimensionsOf(need).filter(
      (d) => amountOf(need, d) > 0 && timesIn(need, free, [d]) === times,
    );
    return {
      hostId: host.id,
      fits: times,
      because: `${scarce.map(nameOf).join(' and ')}${besideThat(host, snapshot.at, scarce)}`,
      free,
    };
  });
  const usable = judged.flatMap(({ free }) => (free ? [atLeastNothing(free)] : []));
  const byLimit = groupBy(judged, (h) => h.because);
  return {
    fits: judged.reduce((n, h) => n + h.fits, 0),
    fitsIfWhole: timesIn(need, sum(usable)),
    hosts: judged.map(({ hostId, fits, because }) => ({ hostId, fits, because })),
    limits: inOrder([...byLimit].map(([because, of]) => ({ because, hosts: of.length }))),
  };
}

const besideThat = (host: SnapshotHost, at: number, scarce: readonly Dimension[]): string => {
  const kept = keptFrom(host, at);
  return kept && scarce.some((d) => amountOf(kept, d) > 0) ? ', beside what is promised' : '';
};

/** The rule here is that of the question, and has no name. */
const whyClosed = (r: Refusal): string => (r.reason === 'constraint' ? r.because : describeRefusal(r));

const ANY_SERVICE = makeServiceId(derivedEntropy('room'));
const ANY_OPERATION = makeOperationId(derivedEntropy('room'));
const ANY_TENANT = 'any' as TenantId;

function requestFor(need: Capacity, image: string, labels: Shape['labels']): PlacementRequest {
  const component = 'vee';
  return {
    vees: [
      { id: 'vee' as VeeId, tenantId: ANY_TENANT, serviceId: ANY_SERVICE, component, index: 0, need, image },
    ],
    constraints: [{ kind: 'assignment', serviceId: ANY_SERVICE, component, labels, denyHosts: [] }],
  };
}

/** How often something fits into what is free. */
export function timesIn(
  need: Capacity,
  free: Capacity,
  dimensions: readonly Dimension[] = dimensionsOf(need),
): number {
  const times = dimensions
    .filter((d) => amountOf(need, d) > 0)
    .map((d) => Math.floor(Math.max(amountOf(free, d), 0) / amountOf(need, d)));
  return Math.min(...times);
}

export interface ServiceRoomQuestion {
  readonly snapshot: Snapshot;
  readonly manifest: Manifest;
  readonly policy: Policy;
}

export interface ServiceRoom {
  readonly services: number;
  readonly veesEach: number;
  /** Counting ended there: there may be room for more. */
  readonly orMore: boolean;
  /** Why one more does not fit. */
  readonly because?: string;
  /** The fullest dimension of each host, as a share of it, now and with all of these. */
  readonly hosts: readonly { readonly hostId: HostId; readonly before: number; readonly after: number }[];
}

/** A host judged for one VEE is a unit of work; so many take some seconds. */
const MOST_WORK = 4_000_000;
const MOST_SERVICES = 1_000;
const SPARE_WORK = 10;

/**
 * How many services of a manifest have room beside what is there, each with the instances that it starts with? They are
 * placed one after the other by the planner that would place them, until it finds no room.
 */
export function roomForService({ snapshot, manifest, policy }: ServiceRoomQuestion): ServiceRoom {
  const additions = initialAdditions(initialInstances(manifest));
  const veesEach = additions.reduce((n, a) => n + a.indices.length, 0);
  // Where room is kept for losses each plan knows a place for all that is there.
  const known = SPARE_WORK * (snapshot.spare?.vees.length ?? 0);
  const worth = Math.max(1, Math.floor(MOST_WORK / Math.max(1, veesEach * snapshot.hosts.length + known)));
  const most = Math.min(MOST_SERVICES, worth);
  const answer = (services: number, filled: Snapshot, because?: string): ServiceRoom => ({
    services,
    veesEach,
    orMore: because === undefined,
    ...(because === undefined ? {} : { because }),
    hosts: snapshot.hosts.map((host, i) => ({
      hostId: host.id,
      before: loadOf(host),
      after: loadOf(filled.hosts[i] ?? host),
    })),
  });
  if (veesEach === 0) return answer(0, snapshot, 'It starts without any VEE.');
  let filled = snapshot;
  for (let n = 0; n < most; n++) {
    const id = makeServiceId(derivedEntropy('room', n));
    const operationId = makeOperationId(derivedEntropy('room', n));
    const request = additionRequest(manifest, { id, tenantId: ANY_TENANT }, operationId, additions);
    const blueprintId = makeBlueprintId(derivedEntropy('room', n));
    const context = { now: snapshot.at, seed: ANY_OPERATION, blueprintId, operationId };
    const placed = plan(filled, request, policy, context);
    if (placed.kind === 'infeasible') return answer(n, filled, refusalSummary(placed));
    filled = withPlaced(filled, request, placed, { id, tenantId: ANY_TENANT });
  }
  return answer(most, filled);
}

/** A site once a service that was planned is there. */
export function withPlaced(
  snapshot: Snapshot,
  { vees, constraints, slaClass }: PlacementRequest,
  { assignments }: Blueprint,
  { id: serviceId, tenantId }: { readonly id: ServiceId; readonly tenantId: TenantId },
): Snapshot {
  const asked = new Map(vees.map((v) => [v.id, v]));
  const taken = groupBy(assignments, (a) => a.hostId);
  const hosts = snapshot.hosts.map((host) => {
    const here = taken.get(host.id);
    if (!here) return host;
    return {
      ...host,
      reserved: here.reduce((all, a) => add(all, asked.get(a.veeId)?.need ?? ZERO), host.reserved),
    };
  });
  const placed = assignments.map(
    ({ veeId, component, hostId }): PlacedVee => ({
      id: veeId,
      tenantId,
      serviceId,
      component,
      hostId,
    }),
  );
  const spare = snapshot.spare && {
    ...snapshot.spare,
    vees: [
      ...snapshot.spare.vees,
      ...placed.flatMap((v) => {
        const { image, need } = asked.get(v.id) ?? {};
        return image && need
          ? [{ ...v, image, need, constraints, slaClass: slaClass ?? DEFAULT_SLA_CLASS }]
          : [];
      }),
    ],
  };
  const licensed = assignments.flatMap(({ veeId, hostId }) => {
    const vee = asked.get(veeId);
    return vee ? [placeOf(vee, hostId)] : [];
  });
  const then = { ...snapshot, hosts, vees: [...snapshot.vees, ...placed], ...(spare ? { spare } : {}) };
  return withPlaces(then, licensed);
}

const loadOf = ({ capacity, reserved }: SnapshotHost) => dominantShare(reserved, capacity);
