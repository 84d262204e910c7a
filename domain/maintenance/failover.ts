import { derivedEntropy } from '../derived-entropy';
import { groupBy } from '../group-by';
import type { HostRecord } from '../host';
import { type HostId, makeBlueprintId, makeOperationId } from '../ids';
import { inChunks } from '../in-chunks';
import type { Manifest } from '../manifest/schema';
import { SLA_CLASSES, type SlaClass } from '../manifest/sla-class';
import { DEFAULT_MIGRATION_BUDGET } from '../migration/estimate';
import { MOST_MOVES } from '../migration/plan-moves';
import type { Policy, Snapshot } from '../placement/model';
import { stableHash } from '../placement/stable-hash';
import type { ServiceRecord } from '../service/service';
import { occupiesHost } from '../vee/state-machine';
import type { VeeRecord } from '../vee/vee';
import { decideInTurn } from './plan';

export interface FailoverService {
  readonly service: Pick<ServiceRecord, 'id' | 'name' | 'tenantId'>;
  readonly slaClass: SlaClass;
  readonly manifest: Manifest;
}

export interface FailoverQuestion {
  readonly hosts: readonly HostRecord[];
  readonly snapshot: Snapshot;
  readonly services: readonly FailoverService[];
  readonly vees: readonly VeeRecord[];
  readonly policy: Policy;
  /** What has a lower class than this may be left without a place. */
  readonly least: SlaClass;
}

export interface Stranded {
  readonly service: string;
  readonly component: string;
  readonly index: number;
  readonly slaClass: SlaClass;
  readonly because: string;
}

/** Hosts that are lost at once, and what then has no place. */
export interface Loss {
  readonly what: string;
  readonly hostIds: readonly HostId[];
  readonly stranded: readonly Stranded[];
}

/** Of so many losses of a kind so many are survived: everything that counts has a place afterwards. */
export interface Survival {
  readonly survived: number;
  readonly of: number;
}

export interface Failover {
  readonly hosts: Survival;
  readonly zones: Survival;
  /** Of two hosts at once. In a large site some are tried, the same ones for the same site. */
  readonly pairs: Survival & { readonly sampled: boolean };
  /** Losses of a host or a zone that are not survived, those that strand most first. */
  readonly losses: readonly Loss[];
}

const MOST_PAIRS = 200;
const MOST_LOSSES = 50;

/**
 * What would be left without a place if a host were lost, or a zone, or two hosts at once? Each loss is played through by
 * the very plan that a recovery makes: service by service, the better class first. (The fail-over rate of RESERVOIR's
 * admission, seed 002 §2.2.6.)
 */
export function failover(question: FailoverQuestion): Failover {
  const { hosts, vees } = question;
  const used = new Set(vees.filter((v) => occupiesHost(v.state)).map((v) => v.hostId));
  const standing = hosts.filter((h) => h.liveness === 'up');
  const zones = [...groupBy(standing, (h) => h.zone)].map(([zone, of]) =>
    lose(
      question,
      `zone ${zone}`,
      of.map((h) => h.id),
    ),
  );
  const singles = standing.map((h) => lose(question, h.id, [h.id]));
  // Of two of which one holds nothing, the other is lost alone, with a host less to go to: that counts as well.
  const all = pairsOf(standing.map((h) => h.id)).filter((pair) => pair.some((id) => used.has(id)));
  const chosen = all.length <= MOST_PAIRS ? all : sample(all, MOST_PAIRS);
  const pairs = chosen.map((pair) => lose(question, pair.join(' and '), pair));
  return {
    hosts: survivalOf(singles),
    zones: survivalOf(zones),
    pairs: { ...survivalOf(pairs), sampled: chosen.length < all.length },
    losses: [...singles, ...zones]
      .filter((l) => l.stranded.length > 0)
      .sort((a, b) => b.stranded.length - a.stranded.length || (a.what < b.what ? -1 : 1))
      .slice(0, MOST_LOSSES),
  };
}

const survivalOf = (losses: readonly Loss[]): Survival => ({
  survived: losses.filter((l) => l.stranded.length === 0).length,
  of: losses.length,
});

function lose(question: FailoverQuestion, what: string, hostIds: readonly HostId[]): Loss {
  const { services, vees, policy, least } = question;
  const lost = new Set(hostIds);
  const fallen = <H extends { readonly id: HostId }>(h: H): H =>
    lost.has(h.id) ? { ...h, liveness: 'lost' as const } : h;
  const hosts = question.hosts.map(fallen);
  const snapshot = { ...question.snapshot, hosts: question.snapshot.hosts.map(fallen) };
  const byService = groupBy(vees, (v) => v.serviceId);
  const asked = SLA_CLASSES.flatMap((c) => services.filter((s) => s.slaClass === c)).flatMap((one) => {
    const mine = byService.get(one.service.id) ?? [];
    const veeIds = mine.filter((v) => lost.has(v.hostId) && occupiesHost(v.state)).map((v) => v.id);
    return inChunks(veeIds, MOST_MOVES).map((some) => ({ ...one, vees: mine, veeIds: some }));
  });
  const decided = decideInTurn(
    asked.map(({ service, manifest, vees: mine, veeIds }) => {
      const id = derivedEntropy('failover', what, service.id);
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
  const stranded = decided.flatMap(({ left }, i) => {
    const one = asked[i];
    if (!one || SLA_CLASSES.indexOf(one.slaClass) > SLA_CLASSES.indexOf(least)) return [];
    return left
      .filter((l) => l.error.code === 'placement-infeasible')
      .map(({ component, index, error }): Stranded => {
        const { service, slaClass } = one;
        return {
          service: `${service.tenantId}:${service.name}`,
          component,
          index,
          slaClass,
          because: error.detail,
        };
      });
  });
  return { what, hostIds, stranded };
}

const pairsOf = (ids: readonly HostId[]): HostId[][] =>
  ids.flatMap((a, i) => ids.slice(i + 1).map((b) => [a, b]));

/** The same for the same pairs, in whatever order. */
const sample = (pairs: readonly HostId[][], most: number): HostId[][] =>
  pairs
    .map((pair) => ({ pair, key: stableHash(pair.join('\u0000')) }))
    .sort((a, b) => a.key - b.key || (a.pair.join() < b.pair.join() ? -1 : 1))
    .slice(0, most)
    .map(({ pair }) => pair);
