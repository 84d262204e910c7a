import type { HostId, ServiceId, TenantId, VeeId } from '../ids';
import { templateOf } from '../manifest/components';
import type { Manifest } from '../manifest/schema';
import { DEFAULT_SLA_CLASS } from '../manifest/sla-class';
import { constraintsOf } from '../placement/constraints';
import { bookOf, placeOf, withoutPlaces, withPlaces } from '../placement/licences';
import type { Blueprint, Infeasible, Snapshot, SnapshotHost, Spare, SpareVee } from '../placement/model';
import { withoutStay } from '../placement/promised';
import { add, type Capacity, subtract, ZERO } from '../units';
import type { VeeRecord } from '../vee/vee';

interface Owner {
  readonly id: ServiceId;
  readonly tenantId: TenantId;
}

/** A snapshot as it changes in the course of the play. Mutable, private to one rehearsal. */
export class Stage {
  snapshot: Snapshot;
  private readonly members: Map<VeeId, VeeRecord>;
  private readonly templates: ReadonlyMap<string, VeeRecord['template']>;
  /** Places that are given back at the end. */
  private readonly left: VeeRecord[] = [];

  constructor(snapshot: Snapshot, wanted: Manifest, members: readonly VeeRecord[]) {
    this.snapshot = snapshot;
    this.members = new Map(members.map((v) => [v.id, v]));
    this.templates = new Map(wanted.components.map((c) => [c.name, templateOf(wanted, c)]));
  }

  member(id: VeeId): VeeRecord | undefined {
    return this.members.get(id);
  }

  /** @returns why it can't be: what a VEE has room for where it is was looked at before, but not what it takes of licences */
  resize(id: VeeId): Infeasible | undefined {
    const vee = this.members.get(id);
    const template = vee && this.templates.get(vee.component);
    if (!vee || !template) return undefined;
    const { hostId, component, index } = vee;
    const place = placeOf({ id, need: template.capacity, licences: template.licences }, hostId);
    const refusal = place.licences.length > 0 && bookOf(this.snapshot).refusal([place]);
    if (refusal) {
      const hosts = [{ hostId, refusals: [refusal] }];
      return { kind: 'infeasible', proven: false, unplaced: [{ veeId: id, component, index, hosts }] };
    }
    this.hold(vee.hostId, subtract(template.capacity, vee.template.capacity));
    this.members.set(id, { ...vee, template });
    this.take(id, template, vee.hostId);
    return undefined;
  }

  move(id: VeeId, { assignments }: Blueprint): void {
    const vee = this.members.get(id);
    const hostId = assignments[0]?.hostId;
    if (!vee || !hostId) return;
    // Its old place stays reserved for it until the end: the whole may go back.
    this.hold(hostId, vee.template.capacity);
    this.left.push(vee);
    this.take(id, vee.template, hostId);
    this.members.set(id, { ...vee, hostId });
    this.snapshot = {
      ...this.snapshot,
      vees: this.snapshot.vees.map((v) => (v.id === id ? { ...v, hostId } : v)),
    };
  }

  create({ assignments }: Blueprint, { service }: { readonly service: Owner }): void {
    for (const { veeId, component, hostId } of assignments) {
      const template = this.templates.get(component);
      this.hold(hostId, template?.capacity ?? ZERO);
      if (template) this.take(veeId, template, hostId);
      const vee = { id: veeId, tenantId: service.tenantId, serviceId: service.id, component, hostId };
      this.snapshot = { ...this.snapshot, vees: [...this.snapshot.vees, vee] };
    }
  }

  destroy(id: VeeId): void {
    const vee = this.members.get(id);
    if (!vee) return;
    this.release(vee);
    const { vees } = this.snapshot;
    this.snapshot = withoutPlaces({ ...this.snapshot, vees: vees.filter((v) => v.id !== id) }, id);
  }

  /** As it is once all is done. */
  afterwards(): Snapshot {
    for (const vee of this.left.splice(0)) this.release(vee);
    return this.snapshot;
  }

  /** All that holds a place by then, as far as room is kept for it. */
  spareAfter({ service, wanted }: { readonly service: Owner; readonly wanted: Manifest }): Spare | undefined {
    const { spare, vees } = this.snapshot;
    if (!spare) return undefined;
    const mine = {
      constraints: constraintsOf(wanted, service.id),
      slaClass: wanted.slaClass ?? DEFAULT_SLA_CLASS,
    };
    return {
      ...spare,
      vees: [
        ...spare.vees.filter((v) => v.serviceId !== service.id),
        ...vees.flatMap((v): SpareVee[] => {
          const template = this.members.get(v.id)?.template ?? this.templates.get(v.component);
          if (v.serviceId !== service.id || !template) return [];
          return [{ ...v, ...mine, image: template.image, need: template.capacity }];
        }),
      ],
    };
  }

  private take(id: VeeId, { capacity, licences }: VeeRecord['template'], hostId: HostId): void {
    this.snapshot = withPlaces(this.snapshot, [placeOf({ id, need: capacity, licences }, hostId)]);
  }

  private hold(hostId: HostId, amount: Capacity): void {
    this.change(hostId, (h) => ({ ...h, reserved: add(h.reserved, amount) }));
  }

  private release({ id, hostId, template }: VeeRecord): void {
    this.hold(hostId, subtract(ZERO, template.capacity));
    this.change(hostId, (h) => withoutStay(h, id));
  }

  private change(hostId: HostId, to: (host: SnapshotHost) => SnapshotHost): void {
    const hosts = this.snapshot.hosts.map((h) => (h.id === hostId ? to(h) : h));
    this.snapshot = { ...this.snapshot, hosts };
  }
}
