import { groupBy } from '../group-by';
import type { HostId, ServiceId } from '../ids';
import type { Manifest } from '../manifest/schema';
import type { Constraint, Handover, PlacedVee, Refusal, SnapshotHost } from './model';

type Member = Pick<PlacedVee, 'serviceId' | 'component'>;
type Located = Pick<PlacedVee, 'id' | 'serviceId' | 'component' | 'hostId'>;

export function constraintName(c: Constraint): string {
  switch (c.kind) {
    case 'together':
      return `together(${c.components.join(', ')})`;
    case 'apart-between':
      return `apart-between(${c.components.join(', ')})`;
    case 'apart-within':
      return `apart-within(${c.component})`;
    case 'assignment':
      return `assignment(${c.component})`;
  }
}

/** Must these two VEEs not share a host? */
export function conflict(c: Constraint, a: Member, b: Member): boolean {
  if (a.serviceId !== c.serviceId || b.serviceId !== c.serviceId) return false;
  switch (c.kind) {
    case 'apart-between':
      return (
        a.component !== b.component &&
        c.components.includes(a.component) &&
        c.components.includes(b.component)
      );
    case 'apart-within':
      return a.component === c.component && b.component === c.component;
    default:
      return false;
  }
}

/** Must these two VEEs share a host? */
export function bound(c: Constraint, a: Member, b: Member): boolean {
  return (
    c.kind === 'together' &&
    a.serviceId === c.serviceId &&
    b.serviceId === c.serviceId &&
    c.components.includes(a.component) &&
    c.components.includes(b.component)
  );
}

/** Why a host is not for this VEE whatever else runs there; undefined when it is. */
export function hostRefusal(c: Constraint, vee: Member, host: SnapshotHost): Refusal | undefined {
  if (c.kind !== 'assignment' || vee.serviceId !== c.serviceId || vee.component !== c.component)
    return undefined;
  const refuse = (because: string): Refusal => ({
    reason: 'constraint',
    constraint: constraintName(c),
    because,
  });
  const missing = Object.entries(c.labels).find(([key, value]) => host.labels[key] !== value);
  if (missing) return refuse(`it lacks the label ${missing[0]}=${missing[1]}`);
  if (c.allowHosts && !c.allowHosts.includes(host.id)) return refuse('it is not among the allowed hosts');
  if (c.denyHosts.includes(host.id)) return refuse('it is among the denied hosts');
  return undefined;
}

/** Does a constraint hold against this VEE, or is it on its way out and the constraint new? */
export const heldAgainst = (c: Constraint, { id }: Pick<PlacedVee, 'id'>, handover: Handover | undefined) =>
  !(handover?.fresh.has(c) && handover.leaving.has(id));

/** Is a constraint about VEEs of this component at all? */
export function concerns(c: Constraint, component: string): boolean {
  return 'components' in c ? c.components.includes(component) : c.component === component;
}

/** Every breach of a constraint in a placement, in words: the checker, used on plans and on live systems. */
export function breaches(
  c: Constraint,
  placed: readonly Located[],
  hosts: ReadonlyMap<HostId, SnapshotHost>,
): string[] {
  const members = placed.filter((v) => v.serviceId === c.serviceId && concerns(c, v.component));
  if (c.kind === 'assignment')
    return members.flatMap((v) => {
      const host = hosts.get(v.hostId);
      const refusal = host && hostRefusal(c, v, host);
      return refusal?.reason === 'constraint' ? [`${v.id} on ${v.hostId}: ${refusal.because}`] : [];
    });
  const byHost = groupBy(members, (v) => v.hostId);
  if (c.kind === 'together' && byHost.size < 2) return [];
  // Only what shares a host can conflict: of a thousand VEEs those are few pairs.
  if (c.kind !== 'together')
    return [...byHost].flatMap(([hostId, there]) =>
      pairs(there)
        .filter(([a, b]) => conflict(c, a, b))
        .map(([a, b]) => `${a.id} and ${b.id} share ${hostId}`),
    );
  return pairs(members)
    .filter(([a, b]) => a.hostId !== b.hostId && bound(c, a, b))
    .map(([a, b]) => `${a.id} and ${b.id} are apart`);
}

function pairs<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((a, i) => items.slice(i + 1).map((b): [T, T] => [a, b]));
}

/** A manifest's constraints while it replaces another; `fresh` are those that the other does not have. */
export function handoverConstraints(
  from: Manifest,
  to: Manifest,
  serviceId: ServiceId,
): { constraints: Constraint[]; fresh: ReadonlySet<Constraint> } {
  const before = new Set(constraintsOf(from, serviceId).map((c) => JSON.stringify(c)));
  const constraints = constraintsOf(to, serviceId);
  return { constraints, fresh: new Set(constraints.filter((c) => !before.has(JSON.stringify(c)))) };
}

/** What holds also while one manifest gives way to another: the constraints that both have. */
export function sharedConstraints(from: Manifest, to: Manifest, serviceId: ServiceId): Constraint[] {
  const { constraints, fresh } = handoverConstraints(from, to, serviceId);
  return constraints.filter((c) => !fresh.has(c));
}

/** A manifest's placement part as constraints. Groups need none: a service is placed all or nothing. */
export function constraintsOf(manifest: Manifest, serviceId: ServiceId): Constraint[] {
  const { affinity, antiAffinity, assignment } = manifest.placement;
  return [
    ...affinity.map((a) => ({ kind: 'together' as const, serviceId, components: a.together })),
    ...antiAffinity.map((a) =>
      'within' in a
        ? { kind: 'apart-within' as const, serviceId, component: a.within }
        : { kind: 'apart-between' as const, serviceId, components: a.between },
    ),
    ...assignment.map(({ component, labels, allowHosts, denyHosts }) => ({
      kind: 'assignment' as const,
      serviceId,
      component,
      labels,
      denyHosts,
      ...(allowHosts ? { allowHosts } : {}),
    })),
  ];
}
