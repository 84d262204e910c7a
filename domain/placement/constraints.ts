import { groupBy } from '../group-by';
import { describeZone } from '../host';
import type { HostId, ServiceId } from '../ids';
import { isToldMore } from '../manifest/context';
import type { Manifest } from '../manifest/schema';
import { unmetRequirement } from './expressions';
import type {
  Constraint,
  Handover,
  Level,
  PlacedVee,
  Preference,
  Refusal,
  RequestedVee,
  SnapshotHost,
} from './model';

type Member = Pick<PlacedVee, 'serviceId' | 'component'>;
type Located = Pick<PlacedVee, 'id' | 'serviceId' | 'component' | 'hostId'>;

export type HostConstraint = Extract<Constraint, { kind: 'assignment' | 'requirement' | 'capable' }>;

/** Is it about which host a VEE is on, whatever else is there? Others are about who shares a place. */
export const isOfHost = (c: Constraint): c is HostConstraint =>
  c.kind === 'assignment' || c.kind === 'requirement' || c.kind === 'capable';

/** In the words of the manifest, so that whoever wrote it finds the rule. */
export function constraintName(c: Constraint): string {
  switch (c.kind) {
    case 'requirement':
      return `require(${c.component}: ${c.expression})`;
    case 'assignment':
      return c.reservation === undefined ? `assignment(${c.component})` : `reservation ${c.reservation}`;
    case 'capable':
      return `${c.capability}(${c.component})`;
    case 'spread':
      return `spread(${c.component}, at most ${c.maxSkew} more than in another zone)`;
    case 'together':
      return `affinity(${c.components.join(', ')})${byLevel(c)}`;
    case 'apart-between':
      return `antiAffinity(between ${c.components.join(', ')})${byLevel(c)}`;
    case 'apart-within':
      return `antiAffinity(within ${c.component}${c.most > 1 ? `, at most ${c.most}` : ''})${byLevel(c)}`;
  }
}

const byLevel = ({ level }: { readonly level: Level }): string => (level === 'host' ? '' : ` by ${level}`);

/** Where VEEs on this host are for a constraint: those with the same answer are together, others apart. */
export function placeFor(c: Constraint, host: Pick<SnapshotHost, 'id' | 'zone' | 'site'>): string {
  if (isOfHost(c) || c.level === 'host') return host.id;
  return c.level === 'zone' ? host.zone : (host.site ?? '');
}

/** A place in words. */
export function describePlace(c: Constraint, place: string): string {
  if (isOfHost(c) || c.level === 'host') return place;
  return c.level === 'zone' ? describeZone(place) : `site ${place}`;
}

/** Must these two VEEs not be in one place (see `placeFor`)? Of which there may be several, see `mostTogether`. */
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
      return c.most === 1 && a.component === c.component && b.component === c.component;
    default:
      return false;
  }
}

/** Of how many VEEs of its component a constraint allows so many in one place, where that is more than one. */
export const mostTogether = (c: Constraint): number | undefined =>
  c.kind === 'apart-within' && c.most > 1 ? c.most : undefined;

/** Is a VEE among those of which a constraint allows only so many in one place? */
export const isCounted = (c: Constraint, { serviceId, component }: Member): boolean =>
  mostTogether(c) !== undefined && serviceId === c.serviceId && concerns(c, component);

/** Must these two VEEs be in one place? */
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
  if (!isOfHost(c) || vee.serviceId !== c.serviceId || vee.component !== c.component) return undefined;
  const refuse = (because: string): Refusal => ({
    reason: 'constraint',
    constraint: constraintName(c),
    because,
  });
  if (c.kind === 'requirement') {
    const unmet = unmetRequirement(c.expression, host);
    return unmet === undefined ? undefined : refuse(unmet);
  }
  if (c.kind === 'capable')
    return host.capabilities[c.capability]
      ? undefined
      : refuse(`the driver ${host.driver} ${LACKING[c.capability]} there`);
  const missing = Object.entries(c.labels).find(([key, value]) => host.labels[key] !== value);
  if (missing) return refuse(`it lacks the label ${missing[0]}=${missing[1]}`);
  if (c.allowHosts && !c.allowHosts.includes(host.id))
    return refuse(
      c.reservation === undefined ? 'it is not among the allowed hosts' : 'nothing is promised to it there',
    );
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

const MOST_NAMED = 50;

/** Every breach of a constraint in a placement, in words: the checker, used on plans and on live systems. */
export function breaches(
  c: Constraint,
  placed: readonly Located[],
  hosts: ReadonlyMap<HostId, SnapshotHost>,
): string[] {
  const members = placed.filter((v) => v.serviceId === c.serviceId && concerns(c, v.component));
  if (isOfHost(c))
    return members.flatMap((v) => {
      const host = hosts.get(v.hostId);
      const refusal = host && hostRefusal(c, v, host);
      return refusal?.reason === 'constraint' ? [`${v.id} on ${v.hostId}: ${refusal.because}`] : [];
    });
  if (c.kind === 'spread') return [];
  const placeOf = ({ hostId }: Located) => placeFor(c, hosts.get(hostId) ?? { id: hostId, zone: hostId });
  const most = mostTogether(c);
  if (most !== undefined)
    return [...groupBy(members, placeOf)].flatMap(([place, there]) => {
      if (there.length <= most) return [];
      const ids = there.map((v) => v.id);
      const named = ids.slice(0, MOST_NAMED).join(', ');
      const more = ids.length > MOST_NAMED ? ` and ${ids.length - MOST_NAMED} more` : '';
      return [`${named}${more} share ${describePlace(c, place)}, where ${most} may be`];
    });
  // Only what is in one place can conflict: of a thousand VEEs those are few pairs.
  if (c.kind !== 'together')
    return [...groupBy(members, placeOf)].flatMap(([place, there]) =>
      pairs(there)
        .filter(([a, b]) => conflict(c, a, b))
        .map(([a, b]) => `${a.id} and ${b.id} share ${describePlace(c, place)}`),
    );
  const binding = members.filter((v) => bindsFrom(c, hosts.get(v.hostId)));
  if (groupBy(binding, placeOf).size < 2) return [];
  return pairs(binding)
    .filter(([a, b]) => placeOf(a) !== placeOf(b) && bound(c, a, b))
    .map(([a, b]) => `${a.id} and ${b.id} are apart`);
}

/**
 * Does what is on this host bind to its zone or site what is lost as well? Nothing on a lost host counts as running, and what was
 * lost with a whole zone is made anew host by host: it must not be bound to where none of it can be.
 */
export const bindsFrom = (c: Constraint, host: Pick<SnapshotHost, 'liveness'> | undefined): boolean =>
  !(c.kind === 'together' && c.level !== 'host' && host?.liveness === 'lost');

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

/** What of a manifest's placement part always holds. Groups need nothing: a service is placed all or nothing. */
export const constraintsOf = (manifest: Manifest, serviceId: ServiceId): Constraint[] =>
  rulesOf(manifest, serviceId).flatMap(({ constraint, weight }) =>
    weight === undefined ? [constraint] : [],
  );

/** What of it is kept where it can be. */
export const preferencesOf = (manifest: Manifest, serviceId: ServiceId): Preference[] =>
  rulesOf(manifest, serviceId).flatMap(({ constraint, weight }) =>
    weight === undefined ? [] : [{ constraint, weight }],
  );

const LACKING = {
  networks: 'connects VEEs to no networks',
  context: 'gives VEEs no files, keys and user data, and resolves no references',
};

const capabilitiesFor = (c: Manifest['components'][number]): (keyof typeof LACKING)[] => [
  ...(c.networks ? (['networks'] as const) : []),
  ...(isToldMore(c) ? (['context'] as const) : []),
];

interface Rule {
  readonly constraint: Constraint;
  readonly weight?: number | undefined;
}

function rulesOf({ components, placement }: Manifest, serviceId: ServiceId): Rule[] {
  const { affinity, antiAffinity, assignment, require = [], spread = [] } = placement;
  return [
    ...components.flatMap((c): Rule[] =>
      capabilitiesFor(c).map((capability) => ({
        constraint: { kind: 'capable', serviceId, component: c.name, capability },
      })),
    ),
    ...affinity.map(({ together, level, weight }): Rule => {
      return { weight, constraint: { kind: 'together', serviceId, level, components: together } };
    }),
    ...antiAffinity.flatMap((a): Rule[] => {
      const { level, weight } = a;
      const constraint: Constraint =
        'within' in a
          ? { kind: 'apart-within', serviceId, level, component: a.within, most: a.most ?? 1 }
          : { kind: 'apart-between', serviceId, level, components: a.between };
      return [{ weight, constraint }];
    }),
    ...assignment.map(({ component, labels, allowHosts, denyHosts, weight }): Rule => {
      const hosts = { denyHosts, ...(allowHosts ? { allowHosts } : {}) };
      return { weight, constraint: { kind: 'assignment', serviceId, component, labels, ...hosts } };
    }),
    ...require.map(({ component, expression, weight }): Rule => {
      return { weight, constraint: { kind: 'requirement', serviceId, component, expression } };
    }),
    ...spread.map(({ component, maxSkew, weight }): Rule => {
      return { weight, constraint: { kind: 'spread', serviceId, level: 'zone', component, maxSkew } };
    }),
  ];
}

/** Two of these, which go to one host together, that a constraint keeps apart. */
export function contradiction(c: Constraint, vees: readonly RequestedVee[]): string | undefined {
  for (const [i, v] of vees.entries()) {
    const twin = vees.slice(i + 1).find((other) => conflict(c, v, other));
    if (twin)
      return `${v.component}/${v.index} and ${twin.component}/${twin.index} must be apart and together`;
  }
  return undefined;
}

/** Why a constraint keeps a host from one of these, whatever else is there. */
export function refusalOfAny(
  c: Constraint,
  vees: readonly RequestedVee[],
  host: SnapshotHost,
): Refusal | undefined {
  for (const vee of vees) {
    const refusal = hostRefusal(c, vee, host);
    if (refusal) return refusal;
  }
  return undefined;
}
