import { groupBy } from '../../group-by';
import type { HostId } from '../../ids';
import { concerns, heldAgainst, isOfHost, placeFor } from '../constraints';
import type { Constraint, Handover, Level, PlacedVee, RequestedVee, SnapshotHost } from '../model';
import type { Rule } from './problem';

type PlaceRule = Exclude<Constraint, { kind: 'assignment' | 'requirement' | 'capable' }>;
type Member = Pick<RequestedVee, 'id' | 'serviceId' | 'component'>;

interface Scene {
  readonly constraints: readonly Constraint[];
  /** The VEEs of each item of the problem, in its order. */
  readonly items: readonly (readonly Member[])[];
  /** What is there already, and is no item. What is to be with it elsewhere is told by what items are allowed. */
  readonly staying: readonly Pick<PlacedVee, 'id' | 'serviceId' | 'component' | 'hostId'>[];
  /** The hosts of the problem, in its order. */
  readonly hosts: readonly SnapshotHost[];
  /** Also those that no item may be on, where something stays. */
  readonly allHosts: readonly SnapshotHost[];
  readonly handover?: Handover | undefined;
  /**
   * May any of an item be on a host, whatever else is there? Absent where nothing leaves its zone, so that what is spread
   * remains as it is.
   */
  readonly mayBe?: (item: number, host: number) => boolean;
}

/** Those constraints that are about which VEEs share a place, in numbers. What must share a host is one item. */
export function rulesOf({ constraints, items, staying, hosts, allHosts, handover, mayBe }: Scene): Rule[] {
  const byService = groupBy(
    items.flatMap((vees, item) => vees.map((vee) => ({ vee, item }))),
    ({ vee }) => vee.serviceId,
  );
  const stayingOf = groupBy(staying, (v) => v.serviceId);
  const hostOf = new Map<HostId, SnapshotHost>(allHosts.map((h) => [h.id, h]));
  // There may be a rule for each of a thousand services, and a place for each of as many hosts.
  const byLevel = new Map<Level, Places>();
  const placesOf = (c: PlaceRule): Places => {
    const known = byLevel.get(c.level) ?? numbered(c, hosts, allHosts);
    byLevel.set(c.level, known);
    return known;
  };
  return constraints.flatMap((c): Rule[] => {
    if (isOfHost(c) || (c.kind === 'together' && c.level === 'host')) return [];
    if (c.kind === 'spread' && !mayBe) return [];
    const members = (byService.get(c.serviceId) ?? []).filter(({ vee }) => concerns(c, vee.component));
    if (members.length === 0) return [];
    const others = (stayingOf.get(c.serviceId) ?? []).filter(
      (v) => c.kind !== 'together' && concerns(c, v.component) && heldAgainst(c, v, handover),
    );
    const places = placesOf(c);
    const rule = ruleOf(c, members, others, places, hostOf);
    if (c.kind !== 'spread') return [rule];
    const open = [...places.placeOf.entries()].flatMap(([host, place]) =>
      members.some(({ item }) => mayBe?.(item, host)) ? [place] : [],
    );
    return [{ ...rule, open: Int32Array.from(new Set(open)) }];
  });
}

interface Places {
  /** Of each host of the problem. */
  readonly placeOf: Int32Array;
  readonly numberOf: ReadonlyMap<string, number>;
  /** What rules share by which nothing is there. */
  readonly nobody: Int32Array;
}

function numbered(c: PlaceRule, hosts: readonly SnapshotHost[], allHosts: readonly SnapshotHost[]): Places {
  const numberOf = new Map<string, number>();
  for (const host of allHosts)
    if (!numberOf.has(placeFor(c, host))) numberOf.set(placeFor(c, host), numberOf.size);
  return {
    placeOf: Int32Array.from(hosts, (h) => numberOf.get(placeFor(c, h)) ?? 0),
    numberOf,
    nobody: new Int32Array(numberOf.size),
  };
}

function ruleOf(
  c: PlaceRule,
  members: readonly { readonly vee: Member; readonly item: number }[],
  others: Scene['staying'],
  { placeOf, numberOf, nobody }: Places,
  hostOf: ReadonlyMap<HostId, SnapshotHost>,
): Rule {
  const colours = c.kind === 'apart-between' ? c.components : [''];
  const colourOf = ({ component }: Pick<Member, 'component'>) => Math.max(0, colours.indexOf(component));
  const places = numberOf.size;
  const resident =
    others.length === 0 && colours.length === 1 ? nobody : new Int32Array(colours.length * places);
  for (const v of others) {
    const host = hostOf.get(v.hostId);
    const place = host && numberOf.get(placeFor(c, host));
    if (place === undefined) continue;
    const cell = colourOf(v) * places + place;
    resident[cell] = (resident[cell] ?? 0) + 1;
  }
  // Several of one item that are alike are one entry, which counts as many.
  const entries = [...groupBy(members, ({ vee, item }) => `${item} ${colourOf(vee)}`).values()];
  const counts = Int32Array.from(entries, (alike) => alike.length);
  return {
    kind: RULE_KINDS[c.kind],
    most: mostOf(c, counts),
    items: Int32Array.from(entries, ([first]) => first?.item ?? 0),
    counts,
    colours: Int32Array.from(entries, ([first]) => (first ? colourOf(first.vee) : 0)),
    colourCount: colours.length,
    placeOf,
    places,
    resident,
  };
}

const RULE_KINDS = {
  'apart-within': 'at-most',
  'apart-between': 'one-colour',
  together: 'together',
  spread: 'spread',
} as const;

function mostOf(c: PlaceRule, counts: Int32Array): number {
  if (c.kind === 'apart-within') return c.most;
  // What comes as one can't be spread any better than that.
  return c.kind === 'spread' ? Math.max(c.maxSkew, ...counts) : 0;
}
