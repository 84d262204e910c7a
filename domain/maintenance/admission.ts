import { type ServiceProfit, serviceProfit } from '../cost/service-profit';
import { earnsAnything, tariffInForce } from '../cost/tariff';
import { derivedEntropy } from '../derived-entropy';
import { makeBlueprintId, makeOperationId, makeServiceId, type TenantId } from '../ids';
import { componentNamed, initialInstances, templateOf } from '../manifest/components';
import type { Manifest } from '../manifest/schema';
import { DEFAULT_SLA_CLASS } from '../manifest/sla-class';
import type { Blueprint, PlacementRequest, Snapshot } from '../placement/model';
import { plan } from '../placement/plan';
import type { PolicyData } from '../placement/policy';
import { refusalSummary } from '../placement/refusal-summary';
import { additionRequest, initialAdditions } from '../placement/request';
import { roomForService, type ServiceRoom, withPlaced } from '../placement/room';
import type { VeeRecord } from '../vee/vee';
import {
  type Counts,
  countingFrom,
  type PlayedLosses,
  playLosses,
  QUICK_FROM,
  type Rates,
  ratesOf,
} from './failover';
import type { FailoverQuestion } from './failover-question';

export interface AdmissionQuestion extends FailoverQuestion {
  readonly manifest: Manifest;
  readonly tenantId: TenantId;
}

/** Should a service be taken on? */
export interface Admission {
  readonly admit: boolean;
  readonly because: string;
  /** The rest is absent of a service that has no room. */
  readonly places?: readonly {
    readonly component: string;
    readonly index: number;
    readonly hostId: string;
  }[];
  /** Losses that the whole site would survive (all that counts finds a place), without the service and with it. */
  readonly before?: Rates;
  readonly after?: Rates;
  /** Losses after which all of the service itself would have a place. */
  readonly own?: Rates;
  /** How many more of it would fit after it. */
  readonly more?: ServiceRoom;
  /** Under a policy that knows what VEEs bring in. */
  readonly profit?: ServiceProfit;
}

/**
 * Takes a service on in thought: where it would be placed, what could be lost then, and how many more like it would fit. It is
 * refused when it has no room, when the loss of some host would strand something that counts and would not without it
 * (RESERVOIR's admission control by fail-over rate, seed 002 §2.2.6), or when it would bring in less than it costs.
 */
export function admission(question: AdmissionQuestion): Admission {
  const { manifest, tenantId, snapshot, policy } = question;
  const id = makeServiceId(derivedEntropy('admission'));
  const operationId = makeOperationId(derivedEntropy('admission'));
  const additions = initialAdditions(initialInstances(manifest));
  const request = additionRequest(manifest, { id, tenantId }, operationId, additions);
  const blueprintId = makeBlueprintId(derivedEntropy('admission'));
  const context = { now: snapshot.at, seed: operationId, blueprintId, operationId };
  const placed = plan(snapshot, request, policy, context);
  if (placed.kind === 'infeasible') return { admit: false, because: refusalSummary(placed) };

  const service = { id, name: manifest.name, tenantId };
  const filled = withPlaced(snapshot, request, placed, { id, tenantId });
  const slaClass = manifest.slaClass ?? DEFAULT_SLA_CLASS;
  const then: FailoverQuestion = {
    ...question,
    snapshot: filled,
    services: [...question.services, { service, slaClass, manifest }],
    vees: [...question.vees, ...recordsOf(placed, manifest, service, snapshot.at)],
  };
  const counts = countingFrom(question.least);
  // What is compared is looked at in the same way.
  const [before, after] = [playLosses(question, QUICK_FROM, 0), playLosses(then, QUICK_FROM, 0)];
  const worse = worseLosses(before, after, counts);
  const [first] = worse;
  const profit = profitOf(snapshot, request, placed, policy);
  const loses = profit !== undefined && profit.perHour < 0;
  return {
    admit: first === undefined && !loses,
    because: first
      ? `It has room, but with it the loss of ${worse.length === 1 ? first : `one of ${worse.length} hosts, such as ${first},`} would strand what has a place then without it.`
      : loses
        ? describeLoss(profit)
        : 'It has room, and with it no loss of one host would strand what has a place then without it.',
    places: placed.assignments.map(({ component, index, hostId }) => ({ component, index, hostId })),
    before: ratesOf(before, counts),
    after: ratesOf(after, counts),
    own: ratesOf(after, (s) => s.serviceId === id),
    more: roomForService({ snapshot: filled, manifest, policy }),
    ...(profit ? { profit } : {}),
  };
}

function profitOf(
  { hosts }: Snapshot,
  { vees, earnsAs = DEFAULT_SLA_CLASS }: PlacementRequest,
  { assignments }: Blueprint,
  policy: PolicyData,
): ServiceProfit | undefined {
  const tariff = tariffInForce(policy);
  if (!tariff || !earnsAnything(tariff)) return undefined;
  const need = new Map(vees.map((v) => [v.id, v.need]));
  const placed = assignments.flatMap((a) => {
    const of = need.get(a.veeId);
    return of ? [{ to: a.hostId, need: of }] : [];
  });
  return serviceProfit(hosts, placed, earnsAs, tariff);
}

function describeLoss({ benefitPerHour, hostingPerHour, compensationPerHour }: ServiceProfit): string {
  const told = (n: number) => String(Number(n.toPrecision(4)));
  const compensation = compensationPerHour > 0 ? ` and ${told(compensationPerHour)} of compensation` : '';
  return `It has room, but would bring in ${told(benefitPerHour)} an hour, and cost ${told(hostingPerHour)} of hosting${compensation}.`;
}

/** The hosts whose loss would strand something that counts, be it of the service itself, and does not strand it now. */
function worseLosses(before: PlayedLosses, after: PlayedLosses, counts: Counts): string[] {
  const already = new Map(before.losses.map((l) => [l.what, new Set(l.stranded.map((s) => s.veeId))]));
  return after.losses
    .filter((l) => l.kind === 'host')
    .filter((l) => l.stranded.some((s) => counts(s) && !already.get(l.what)?.has(s.veeId)))
    .map((l) => l.what);
}

/** Its VEEs as they would be once it runs. */
function recordsOf(
  { assignments, id: blueprintId }: Blueprint,
  manifest: Manifest,
  { id: serviceId, tenantId }: { readonly id: VeeRecord['serviceId']; readonly tenantId: TenantId },
  at: number,
): VeeRecord[] {
  return assignments.flatMap(({ veeId, component, index, hostId }): VeeRecord[] => {
    const declared = componentNamed(manifest, component);
    if (!declared) return [];
    const template = templateOf(manifest, declared);
    return [
      {
        ...{ id: veeId, tenantId, serviceId, component, index, hostId, template, blueprintId },
        ...{ state: 'ACTIVE', epoch: 1, generation: 1, transition: null, createdAt: at, updatedAt: at },
      },
    ];
  });
}
