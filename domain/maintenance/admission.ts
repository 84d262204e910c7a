import { derivedEntropy } from '../derived-entropy';
import { makeBlueprintId, makeOperationId, makeServiceId, type TenantId } from '../ids';
import { componentNamed, initialInstances, templateOf } from '../manifest/components';
import type { Manifest } from '../manifest/schema';
import { DEFAULT_SLA_CLASS } from '../manifest/sla-class';
import type { Blueprint } from '../placement/model';
import { plan } from '../placement/plan';
import { refusalSummary } from '../placement/refusal-summary';
import { additionRequest, initialAdditions } from '../placement/request';
import { roomForService, type ServiceRoom, withPlaced } from '../placement/room';
import type { VeeRecord } from '../vee/vee';
import { type Failover, type FailoverQuestion, failover } from './failover';

export interface AdmissionQuestion extends FailoverQuestion {
  readonly manifest: Manifest;
  readonly tenantId: TenantId;
}

export type Rates = Pick<Failover, 'hosts' | 'zones' | 'pairs'>;

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
}

/**
 * Takes a service on in thought: where it would be placed, what could be lost then, and how many more like it would fit. It is
 * refused when it has no room, or when a loss of one host would strand something that counts and would not without it
 * (RESERVOIR's admission control by fail-over rate, seed 002 §2.2.6).
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
  const [before, after] = [failover(question), failover(then)];
  const own = failover({ ...then, least: 'bronze', only: id });
  const worse = after.hosts.of - after.hosts.survived - (before.hosts.of - before.hosts.survived);
  const [loss] = after.losses.filter((l) => !before.losses.some((b) => b.what === l.what));
  return {
    admit: worse <= 0,
    because:
      worse <= 0
        ? 'It has room, and each loss of one host that would be survived without it is survived with it.'
        : `It has room, but with it ${worse} more losses of one host would strand something${loss ? `, such as that of ${loss.what}` : ''}.`,
    places: placed.assignments.map(({ component, index, hostId }) => ({ component, index, hostId })),
    before: ratesOf(before),
    after: ratesOf(after),
    own: ratesOf(own),
    more: roomForService({ snapshot: filled, manifest, policy }),
  };
}

const ratesOf = ({ hosts, zones, pairs }: Failover): Rates => ({ hosts, zones, pairs });

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
