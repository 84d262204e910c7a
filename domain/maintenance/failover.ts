import { derivedEntropy } from '../derived-entropy';
import { groupBy } from '../group-by';
import { describeZone, type HostLiveness } from '../host';
import { type HostId, makeBlueprintId, makeOperationId } from '../ids';
import { inChunks } from '../in-chunks';
import { isAtLeast, SLA_CLASSES, type SlaClass } from '../manifest/sla-class';
import { DEFAULT_MIGRATION_BUDGET } from '../migration/estimate';
import { MOST_MOVES } from '../migration/plan-moves';
import { stableHash } from '../placement/stable-hash';
import { occupiesHost } from '../vee/state-machine';
import type { FailoverQuestion, Stranded } from './failover-question';
import { decideInTurn } from './plan';
import { quickLosses } from './quick-losses';

/** Hosts that are lost at once, and what then has no place. */
export interface Loss {
  /** A host, or a zone. */
  readonly what: string;
  readonly hostIds: readonly HostId[];
  /** How many VEEs have no place. */
  readonly strandedVees: number;
  /** The first of them. */
  readonly stranded: readonly Stranded[];
}

/** Of so many losses of a kind so many are survived: everything that counts has a place afterwards. */
export interface Survival {
  readonly survived: number;
  readonly of: number;
}

export interface Rates {
  readonly hosts: Survival;
  readonly zones: Survival;
  /** Of two hosts at once. In a large site some are tried, the same ones for the same site. */
  readonly pairs: Survival & { readonly sampled: boolean };
}

export interface Failover extends Rates {
  /** Hosts that are lost already: what is on them is to find a place as well. */
  readonly lost: readonly HostId[];
  /** How many VEEs have to find a place, wherever they are lost. */
  readonly counted: number;
  /**
   * Losses of a host that are not survived, and then those of a zone, in each those first that strand most. Of pairs some
   * are told when each host and zone alone may be lost.
   */
  readonly losses: readonly Loss[];
  /** So many more are not survived, and not named. */
  readonly moreLosses: number;
}

const MOST_PAIRS = 200;
const MOST_DRAWS = 100_000;
const MOST_LOSSES = 50;
const MOST_STRANDED = 20;
const MOST_EXAMPLES = 3;
export const QUICK_FROM = 100;
const MOST_REPLAYS = 20;

/**
 * What would be left without a place if a host were lost, or a zone, or two hosts at once? Each loss is played through by
 * the plans that recoveries make: host after host, on each service by service, the better class first. (The fail-over rate
 * of RESERVOIR's admission, seed 002 §2.2.6.)
 */
export function failover(question: FailoverQuestion): Failover {
  const counts = countingFrom(question.least);
  return failoverOf(question, playLosses(question), counts);
}

/** Hosts that are lost at once, in thought, with all that has no place then, of whatever class. */
export interface Played {
  readonly kind: 'host' | 'zone' | 'pair';
  readonly what: string;
  readonly hostIds: readonly HostId[];
  readonly stranded: readonly Stranded[];
}

export interface PlayedLosses {
  readonly losses: readonly Played[];
  readonly sampled: boolean;
  readonly lost: readonly HostId[];
}

/** Whether it counts that something is stranded. */
export type Counts = (stranded: Pick<Stranded, 'slaClass' | 'serviceId'>) => boolean;

export const countingFrom =
  (least: SlaClass): Counts =>
  ({ slaClass }) =>
    isAtLeast(slaClass, least);

/** Of the losses of each kind those after which everything that counts has a place. */
export function ratesOf({ losses, sampled }: PlayedLosses, counts: Counts): Rates {
  const survival = (kind: Played['kind']): Survival => {
    const of = losses.filter((l) => l.kind === kind);
    return { survived: of.filter((l) => !l.stranded.some(counts)).length, of: of.length };
  };
  return { hosts: survival('host'), zones: survival('zone'), pairs: { ...survival('pair'), sampled } };
}

/**
 * @param quickFrom in a site of so many hosts most losses are looked at in a quick way, see `quickLosses`
 * @param replays so many of those that strand something are played through by plans all the same
 */
export function playLosses(
  question: FailoverQuestion,
  quickFrom = QUICK_FROM,
  replays = MOST_REPLAYS,
): PlayedLosses {
  const { hosts, vees } = question;
  const lost = hosts.filter((h) => h.liveness === 'lost').map((h) => h.id);
  // One that is only suspect is soon up again, or lost itself: that is one of the losses here.
  const standing = hosts.filter((h) => h.liveness !== 'lost');
  const site = withLiveness(question, new Set(standing.map((h) => h.id)), 'up');
  const quickly = hosts.length >= quickFrom ? quickLosses(site, lost) : undefined;
  let left = replays;
  const lose = (kind: Played['kind'], what: string, hostIds: readonly HostId[]): Played => {
    const stranded = quickly?.(hostIds);
    // Some are played through all the same, for the reasons: as long as none of them takes long.
    const enough = stranded && (stranded.length === 0 || kind === 'zone' || left-- <= 0);
    return { kind, what, hostIds, stranded: enough ? stranded : strandedBy(site, what, hostIds, lost) };
  };
  const singles = standing.map((h) => lose('host', h.id, [h.id]));
  const zones = [...groupBy(standing, (h) => h.zone)].map(([zone, of]) =>
    lose(
      'zone',
      describeZone(zone),
      of.map((h) => h.id),
    ),
  );
  // Of two of which neither holds anything nothing is lost, whatever becomes of them.
  const used = new Set(vees.filter((v) => occupiesHost(v.state)).map((v) => v.hostId));
  const { pairs, sampled } = somePairs(
    standing.map((h) => h.id),
    used,
  );
  const doubles = pairs.map((pair) => lose('pair', pair.join(' and '), pair));
  return { losses: [...singles, ...zones, ...doubles], sampled, lost };
}

function failoverOf(question: FailoverQuestion, played: PlayedLosses, counts: Counts): Failover {
  const of = (kind: Played['kind']) =>
    worst(played.losses.filter((l) => l.kind === kind).map((l) => told(l, counts)));
  const singles = of('host');
  // A zone of one host is told as that host.
  const zones = of('zone').filter((z) => z.hostIds.length > 1);
  const named = [...singles.slice(0, MOST_LOSSES), ...zones.slice(0, MOST_LOSSES)];
  const pairs = of('pair');
  const examples = named.length === 0 ? pairs.slice(0, MOST_EXAMPLES) : [];
  return {
    lost: played.lost,
    counted: countedOf(question),
    ...ratesOf(played, counts),
    losses: [...named, ...examples],
    moreLosses:
      singles.length +
      zones.length -
      named.length +
      (named.length === 0 ? pairs.length - examples.length : 0),
  };
}

function countedOf({ vees, services, least }: FailoverQuestion): number {
  const counting = new Set(services.filter((s) => isAtLeast(s.slaClass, least)).map((s) => s.service.id));
  return vees.filter((v) => occupiesHost(v.state) && counting.has(v.serviceId)).length;
}

function told({ what, hostIds, stranded }: Played, counts: Counts): Loss {
  const counted = stranded.filter(counts);
  return { what, hostIds, strandedVees: counted.length, stranded: counted.slice(0, MOST_STRANDED) };
}

const worst = (losses: readonly Loss[]): Loss[] =>
  losses
    .filter((l) => l.strandedVees > 0)
    .sort((a, b) => b.strandedVees - a.strandedVees || (a.what < b.what ? -1 : 1));

function withLiveness(
  question: FailoverQuestion,
  ids: ReadonlySet<HostId>,
  liveness: HostLiveness,
): FailoverQuestion {
  const changed = <H extends { readonly id: HostId }>(h: H): H => (ids.has(h.id) ? { ...h, liveness } : h);
  const { snapshot } = question;
  return {
    ...question,
    hosts: question.hosts.map(changed),
    snapshot: { ...snapshot, hosts: snapshot.hosts.map(changed) },
  };
}

function strandedBy(
  site: FailoverQuestion,
  what: string,
  hostIds: readonly HostId[],
  before: readonly HostId[],
): Stranded[] {
  const { services, vees, policy, hosts, snapshot } = withLiveness(site, new Set(hostIds), 'lost');
  const byService = groupBy(vees, (v) => v.serviceId);
  const inOrder = SLA_CLASSES.flatMap((c) => services.filter((s) => s.slaClass === c));
  const asked = [...before, ...hostIds].flatMap((hostId) =>
    inOrder.flatMap((one) => {
      const mine = byService.get(one.service.id) ?? [];
      const ids = mine.filter((v) => v.hostId === hostId && occupiesHost(v.state)).map((v) => v.id);
      return inChunks(ids, MOST_MOVES).map((veeIds) => ({ ...one, vees: mine, veeIds }));
    }),
  );
  const decided = decideInTurn(
    asked.map(({ service, manifest, vees: mine, veeIds }) => {
      const id = derivedEntropy('failover', what, service.id, veeIds[0] ?? '');
      const operationId = makeOperationId(id);
      return {
        ...{ verb: 'relocate' as const, serviceId: service.id, manifest, vees: mine, hosts, policy },
        params: { veeIds, partial: true, cause: 'host-lost' as const },
        budget: DEFAULT_MIGRATION_BUDGET,
        context: { now: snapshot.at, seed: operationId, blueprintId: makeBlueprintId(id), operationId },
      };
    }),
    snapshot,
  );
  return decided.flatMap(({ left }, i) => {
    const one = asked[i];
    if (!one) return [];
    const { service, slaClass } = one;
    return left
      .filter((l) => l.error.code === 'placement-infeasible')
      .map(({ veeId, component, index, error }): Stranded => {
        const name = `${service.tenantId}:${service.name}`;
        return {
          ...{ veeId, serviceId: service.id, service: name, component, index, slaClass },
          because: error.detail,
        };
      });
  });
}

/** All pairs, or of many the same ones for the same hosts, in whatever order these come. */
function somePairs(
  hostIds: readonly HostId[],
  used: ReadonlySet<HostId>,
): { readonly pairs: HostId[][]; readonly sampled: boolean } {
  const ids = [...hostIds].sort();
  const holdsSomething = ([a, b]: readonly [HostId, HostId]) => used.has(a) || used.has(b);
  const chosen = new Map<string, [HostId, HostId]>();
  const idle = ids.filter((id) => !used.has(id)).length;
  const count = (n: number) => (n * (n - 1)) / 2;
  const all = count(ids.length) - count(idle);
  if (all <= MOST_PAIRS) {
    for (const [i, a] of ids.entries())
      for (const b of ids.slice(i + 1)) if (holdsSomething([a, b])) chosen.set(`${a} ${b}`, [a, b]);
    return { pairs: [...chosen.values()], sampled: false };
  }
  // Of a site of thousands of hosts the pairs are millions: they are drawn, rather than listed.
  for (let n = 0; chosen.size < MOST_PAIRS && n < MOST_DRAWS; n++) {
    const [a, b] = [drawn(ids, n, 'one'), drawn(ids, n, 'other')].sort() as [HostId, HostId];
    if (a !== b && holdsSomething([a, b])) chosen.set(`${a} ${b}`, [a, b]);
  }
  return { pairs: [...chosen.values()], sampled: true };
}

const drawn = (ids: readonly HostId[], n: number, which: string): HostId =>
  ids[stableHash(`${n} ${which}`) % ids.length] as HostId;
