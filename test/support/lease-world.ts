import { createLeaseActivities } from '../../activities/leases';
import type { HostRecord } from '../../domain/host';
import type { HostId } from '../../domain/ids';
import { type Lease, type LeasePlan, promiseOn } from '../../domain/leases/model';
import { type LeaseQuestion, planLease } from '../../domain/leases/plan';
import type { OperationRecord } from '../../domain/operation/operation';
import type { Promised } from '../../domain/placement/promised';
import type { ServiceRecord } from '../../domain/service/service';
import type { Capacity } from '../../domain/units';
import type { EventRecord } from '../../store/records';

export const size = (cpuMillis: number): Capacity => ({
  ...{ cpuMillis, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 },
});

type Host = HostRecord & { promises: Record<string, Promised> };

export const hostRecord = (id: string, cpuMillis: number, more: object = {}): Host =>
  ({
    ...{ id, siteId: 'home', agentId: 'a', zone: 'z', labels: {}, liveness: 'up', cordoned: false },
    fingerprint: { driver: 'simulator', capabilities: {}, images: [], capacity: size(cpuMillis) },
    ...{ reserved: size(0), reservations: {}, promises: {}, ...more },
  }) as unknown as Host;

export const leaseRecord = (more: object): Lease =>
  ({
    ...{
      id: 'rsv-1',
      tenantId: 'acme',
      siteId: 'home',
      name: 'web',
      kind: 'advance',
      count: 1,
      each: size(1),
    },
    ...{ labels: {}, apart: false, from: 0, until: 10_000_000, places: [] },
    ...{ confirmed: true, live: true, generation: 1, createdAt: 0, requestedBy: 'ann', ...more },
  }) as unknown as Lease;

export const serviceRecord = (more: object): ServiceRecord =>
  ({
    ...{ id: 'svc-1', tenantId: 'acme', name: 'shop', phase: 'operating', generation: 1, ...more },
  }) as unknown as ServiceRecord;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A store in memory, of which tests let any call fail or do something else first. */
export class LeaseWorld {
  now = 1_000;
  readonly hosts: Map<string, Host>;
  readonly leases: Map<string, Mutable<Lease>>;
  readonly services: Map<string, Mutable<ServiceRecord>>;
  readonly operations = new Map<string, Mutable<OperationRecord>>();
  readonly events = new Map<string, EventRecord>();
  readonly submitted: OperationRecord[] = [];
  /** Asked before a host promises more. */
  refuses: (hostId: string) => boolean = () => false;
  /** Called before an end is written to a host. @returns whether the host has room for it */
  ending: (hostId: string, freeAt: number | undefined) => boolean | Promise<boolean> = () => true;
  /** What VEEs hold, by host: they are all of the service that is looked for. */
  vees: { id: string; hostId: string; serviceId?: string }[] = [];

  constructor(of: { hosts?: Host[]; leases?: Lease[]; services?: ServiceRecord[] }) {
    this.hosts = new Map((of.hosts ?? []).map((h) => [h.id, h]));
    this.leases = new Map((of.leases ?? []).map((l) => [l.id, { ...l }]));
    this.services = new Map((of.services ?? []).map((s) => [s.id, { ...s }]));
  }

  get activities() {
    return createLeaseActivities({
      ...{ store: this.store, siteId: 'home', now: () => this.now },
      planLease: async (question: LeaseQuestion) => planLease(question),
      submit: async (operation: OperationRecord) => void this.submitted.push(operation),
    } as never);
  }

  host(id: string): Host {
    return this.hosts.get(id) as Host;
  }

  /** By how much each host has promised to a lease. */
  promised(leaseId = 'rsv-1'): Record<string, number | undefined> {
    return Object.fromEntries(
      [...this.hosts.values()].map((h) => [h.id, h.promises[leaseId]?.amount.cpuMillis]),
    );
  }

  kinds = (kind: string) => [...this.events.values()].filter((e) => e.kind === kind);

  readonly store = {
    events: { append: async (e: EventRecord) => void (this.events.has(e.id) || this.events.set(e.id, e)) },
    identities: { apartness: async () => new Map() },
    operations: {
      get: async (id: string) => this.operations.get(id),
      create: async (o: OperationRecord) => {
        this.operations.set(o.id, { ...o });
        return o;
      },
      refuse: async (id: string, error: object, now: number) =>
        void Object.assign(this.operations.get(id) ?? {}, { state: 'undone', error, endedAt: now }),
      underWay: async () => [...this.operations.values()].filter((o) => o.endedAt === undefined),
    },
    services: {
      get: async (id: string) => copy(this.services.get(id)),
      limited: async () =>
        [...this.services.values()].filter((s) => s.until !== undefined).map((s) => ({ ...s })),
      manifest: async () => ({ components: [], topology: { dependencies: [] } }),
      setUntil: async ({ id, generation }: ServiceRecord, until: number | undefined) => {
        const service = this.services.get(id);
        if (service?.generation !== generation) return false;
        if (until === undefined) delete service.until;
        else service.until = until;
        service.generation++;
        return true;
      },
    },
    vees: {
      find: async ({ serviceId }: { serviceId: string }) =>
        this.vees.filter((v) => (v.serviceId ?? 'svc-1') === serviceId),
      places: async (ids?: readonly string[]) =>
        this.vees
          .filter((v) => ids?.includes(v.id))
          .map((v) => ({ ...v, serviceId: v.serviceId ?? 'svc-1' })),
    },
    hosts: {
      leaseOffers: async () => structuredClone([...this.hosts.values()]),
      ends: async () => {
        const ends = new Map<string, Map<HostId, number>>();
        for (const h of this.hosts.values())
          for (const [k, { freeAt }] of Object.entries(h.reservations))
            if (freeAt !== undefined) ends.set(k, new Map([[h.id, freeAt]]));
        return ends;
      },
      setFreeAt: async (hostId: string, ids: readonly string[], freeAt: number | undefined) => {
        if (!(await this.ending(hostId, freeAt))) return false;
        const { reservations } = this.host(hostId);
        for (const id of ids) {
          const { freeAt: _, ...rest } = reservations[id] ?? ({} as never);
          (reservations as Record<string, unknown>)[id] = freeAt === undefined ? rest : { ...rest, freeAt };
        }
        return true;
      },
      promising: async (of?: string) =>
        [...this.hosts.values()].flatMap((h) =>
          Object.values(h.promises)
            .filter((p) => of === undefined || p.leaseId === of)
            .map((promised) => ({ hostId: h.id, promised })),
        ),
      withdraw: async (leaseId: string, ids?: readonly string[]) => {
        for (const h of this.hosts.values()) if (!ids || ids.includes(h.id)) delete h.promises[leaseId];
      },
      promise: async (id: string, promised: Promised, _now: number, _others: object, shrinks = false) => {
        const host = this.host(id);
        if (shrinks ? !host.promises[promised.leaseId] : host.cordoned || this.refuses(id)) return false;
        host.promises[promised.leaseId] = promised;
        return true;
      },
    },
    leases: {
      get: async (id: string) => copy(this.leases.get(id)),
      living: async () => [...this.leases.values()].filter((l) => l.live).map((l) => ({ ...l })),
      setPlaces: async ({ id, generation }: Lease, places: Lease['places']) => {
        const lease = this.leases.get(id);
        if (!lease?.live || lease.generation !== generation) return false;
        Object.assign(lease, { places, generation: generation + 1 });
        return true;
      },
      moveInTime: async (lease: Lease, plan: LeasePlan) => {
        const known = this.leases.get(lease.id);
        if (known?.generation !== lease.generation || plan.places.some((p) => this.refuses(p.hostId)))
          return false;
        const { from, until, places } = plan;
        Object.assign(known, { from, until, places, generation: lease.generation + 1 });
        for (const h of this.hosts.values()) delete h.promises[lease.id];
        for (const p of places) this.host(p.hostId).promises[lease.id] = promiseOn(known, p.count);
        return true;
      },
      setRisk: async (id: string, risk: { because: string; doubts: string } | undefined, now: number) => {
        const lease = this.leases.get(id);
        if (!lease || lease.risk?.because === risk?.because) return false;
        const news = lease.risk?.doubts !== risk?.doubts;
        lease.risk = risk ? { since: lease.risk?.since ?? now, ...risk } : null;
        lease.generation++;
        return news;
      },
      end: async (id: string) => {
        const lease = this.leases.get(id);
        if (!lease?.live) return false;
        lease.live = false;
        return true;
      },
      noteBegun: async (id: string, now: number) =>
        void Object.assign(this.leases.get(id) ?? {}, { begunAt: now }),
      forget: async ({ id }: Lease) => this.leases.delete(id),
    },
  };
}

const copy = <T extends object>(one: T | undefined): T | undefined => one && { ...one };
