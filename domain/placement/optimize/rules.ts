import { groupBy } from '../../group-by';
import type { HostId } from '../../ids';
import { bindsFrom, concerns, placeFor } from '../constraints';
import type { Constraint, PlacedVee, RequestedVee, SnapshotHost } from '../model';
import type { Rule } from './problem';

type Member = Pick<RequestedVee, 'id' | 'serviceId' | 'component'>;

interface Scene {
  readonly constraints: readonly Constraint[];
  /** The VEEs of each item of the problem, in its order. */
  readonly items: readonly (readonly Member[])[];
  /** What is there already, and is no item. */
  readonly staying: readonly Pick<PlacedVee, 'serviceId' | 'component' | 'hostId'>[];
  /** The hosts of the problem, in its order. */
  readonly hosts: readonly SnapshotHost[];
  /** Also those that no item may be on, where something stays. */
  readonly allHosts: readonly SnapshotHost[];
}

/** Those constraints that are about which VEEs share a place, in numbers. What must share a host is one item. */
export function rulesOf({ constraints, items, staying, hosts, allHosts }: Scene): Rule[] {
  const byService = groupBy(
    items.flatMap((vees, item) => vees.map((vee) => ({ vee, item }))),
    ({ vee }) => vee.serviceId,
  );
  const stayingOf = groupBy(staying, (v) => v.serviceId);
  const hostOf = new Map<HostId, SnapshotHost>(allHosts.map((h) => [h.id, h]));
  return constraints.flatMap((c): Rule[] => {
    if (c.kind === 'assignment' || (c.kind === 'together' && c.level === 'host')) return [];
    const members = (byService.get(c.serviceId) ?? []).filter(({ vee }) => concerns(c, vee.component));
    if (members.length === 0) return [];
    const others = (stayingOf.get(c.serviceId) ?? []).filter((v) => concerns(c, v.component));
    return [ruleOf(c, members, others, hosts, hostOf)];
  });
}

function ruleOf(
  c: Exclude<Constraint, { kind: 'assignment' }>,
  members: readonly { readonly vee: Member; readonly item: number }[],
  others: Scene['staying'],
  hosts: readonly SnapshotHost[],
  hostOf: ReadonlyMap<HostId, SnapshotHost>,
): Rule {
  const names = new Map<string, number>();
  const placeNamed = (name: string): number => {
    const known = names.get(name) ?? names.size;
    names.set(name, known);
    return known;
  };
  const placeOf = Int32Array.from(hosts, (h) => placeNamed(placeFor(c, h)));
  const colours = c.kind === 'apart-between' ? c.components : [''];
  const colourOf = ({ component }: Pick<Member, 'component'>) => Math.max(0, colours.indexOf(component));
  const there = others
    .filter((v) => bindsFrom(c, hostOf.get(v.hostId)))
    .map((v) => ({
      colour: colourOf(v),
      place: placeNamed(placeFor(c, hostOf.get(v.hostId) ?? { id: v.hostId, zone: v.hostId })),
    }));
  const places = names.size;
  const resident = new Int32Array(colours.length * places);
  for (const { colour, place } of there)
    resident[colour * places + place] = (resident[colour * places + place] ?? 0) + 1;
  // Several of one item that are alike are one entry, which counts as many.
  const entries = [...groupBy(members, ({ vee, item }) => `${item} ${colourOf(vee)}`).values()];
  return {
    kind: c.kind === 'apart-within' ? 'at-most' : c.kind === 'apart-between' ? 'one-colour' : 'together',
    most: c.kind === 'apart-within' ? c.most : 0,
    items: Int32Array.from(entries, ([first]) => first?.item ?? 0),
    counts: Int32Array.from(entries, (alike) => alike.length),
    colours: Int32Array.from(entries, ([first]) => (first ? colourOf(first.vee) : 0)),
    colourCount: colours.length,
    placeOf,
    places,
    resident,
  };
}
