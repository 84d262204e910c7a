import { derivedEntropy } from '../derived-entropy';
import { type HostId, makeBlueprintId, type OperationId, type ServiceId, type TenantId } from '../ids';
import type { Manifest } from '../manifest/schema';
import { handoverConstraints } from '../placement/constraints';
import type {
  Assignment,
  Blueprint,
  Infeasible,
  PlacementRequest,
  PlanContext,
  Snapshot,
  Spare,
} from '../placement/model';
import { plan } from '../placement/plan';
import type { Policy } from '../placement/policy';
import { additionRequest, movingVee, seedOf, wishesOf } from '../placement/request';
import { strandedBy } from '../placement/spare-losses';
import type { VeeRecord } from '../vee/vee';
import { type Recomposition, recompose } from './recompose';
import { type BlockedRecomposition, type ExcessiveRecomposition, excessOf } from './recompose-refusal';
import type { Wave } from './recompose-waves';
import type { ServiceRecord } from './service';
import { Stage } from './stage';

/** What places a wave's VEEs: the same for the rehearsal and for the wave itself. */
export interface Handing {
  readonly service: { readonly id: ServiceId; readonly tenantId: TenantId };
  readonly current: Manifest;
  readonly wanted: Manifest;
  readonly waves: readonly Wave[];
}

/** New members of one wave. What is still on its way out by then is not held against what only they must obey. */
export function creationRequest(handing: Handing, wave: number, operationId: OperationId): PlacementRequest {
  const { service, wanted, waves } = handing;
  const byComponent = new Map<string, number[]>();
  for (const { component, index } of waves[wave]?.creates ?? [])
    byComponent.set(component, [...(byComponent.get(component) ?? []), index]);
  const additions = [...byComponent].map(([component, indices]) => ({ component, indices }));
  const { vees } = additionRequest(wanted, service, operationId, additions);
  return { vees, ...handover(handing, wave) };
}

/** A new place for a member that the new manifest drives away from its own. */
export function memberMoveRequest(
  handing: Handing,
  wave: number,
  vee: VeeRecord,
  source: { readonly id: HostId; readonly driver: string },
): PlacementRequest {
  const vees = [movingVee(vee, { from: source.id, away: true, driver: source.driver })];
  return { vees, ...handover(handing, wave) };
}

function handover(
  { service, current, wanted, waves }: Handing,
  wave: number,
): Pick<PlacementRequest, 'constraints' | 'preferences' | 'ranks' | 'handover' | 'seed'> {
  const { constraints, fresh } = handoverConstraints(current, wanted, service.id);
  const leaving = new Set(waves.slice(wave).flatMap((w) => (w.move ? [...w.destroys, w.move] : w.destroys)));
  return {
    constraints,
    ...wishesOf(wanted, service.id),
    handover: { leaving, fresh },
    seed: seedOf(wanted, service.tenantId),
  };
}

export interface Rehearsed {
  readonly kind: 'feasible';
  /** By wave: where each VEE that is moved or made would go. */
  readonly waves: readonly { readonly move?: Assignment; readonly creates: readonly Assignment[] }[];
}

/** Nothing fits in some wave; `wave` counts from 0. */
export interface Unrehearsed {
  readonly kind: 'infeasible';
  readonly wave: number;
  readonly why: Infeasible;
}

/**
 * Plays a re-composition through on a snapshot, wave by wave: what can't be placed is then known before anything
 * was changed. Each wave is planned once more when its turn comes, since others place VEEs meanwhile.
 */
export function rehearse(
  snapshot: Snapshot,
  handing: Handing,
  members: readonly VeeRecord[],
  policy: Policy,
  context: PlanContext,
): Rehearsed | Unrehearsed {
  const { waves } = handing;
  const stage = new Stage(snapshot, handing.wanted, members);
  const played: { move?: Assignment; creates: readonly Assignment[] }[] = [];
  for (const [i, wave] of waves.entries()) {
    for (const id of wave.resizes) {
      const short = stage.resize(id);
      if (short) return { kind: 'infeasible', wave: i, why: short };
    }
    const move = moveOf(wave, i);
    if (move?.kind === 'infeasible') return { kind: 'infeasible', wave: i, why: move };
    if (move && wave.move) stage.move(wave.move, move);
    const made = plan(stage.snapshot, creationRequest(handing, i, context.operationId), policy, context);
    if (made.kind === 'infeasible') return { kind: 'infeasible', wave: i, why: made };
    stage.create(made, handing);
    for (const id of wave.destroys) stage.destroy(id);
    const to = move?.assignments[0];
    played.push({ creates: made.assignments, ...(to ? { move: to } : {}) });
  }
  const why = spareTaken(snapshot, stage.afterwards(), stage.spareAfter(handing), handing, members);
  if (why) return { kind: 'infeasible', wave: Math.max(0, waves.length - 1), why };
  return { kind: 'feasible', waves: played };

  function moveOf({ move }: Wave, wave: number): Blueprint | Infeasible | undefined {
    const vee = move && stage.member(move);
    const source = stage.snapshot.hosts.find((h) => h.id === vee?.hostId);
    return (
      vee && source && plan(stage.snapshot, memberMoveRequest(handing, wave, vee, source), policy, context)
    );
  }
}

/** Where room is kept for losses: why it would not be there any more once all of it is done. What is on the way is not looked at. */
function spareTaken(
  before: Snapshot,
  after: Snapshot,
  spare: Spare | undefined,
  { service, waves }: Handing,
  members: readonly VeeRecord[],
): Infeasible | undefined {
  if (!before.spare || !spare) return undefined;
  const [already, then] = [strandedBy(before, before.spare), strandedBy(after, spare)];
  const mine = (of: Spare, stranded: ReadonlyMap<string, string>) =>
    of.vees.filter((v) => v.serviceId === service.id && stranded.has(v.id));
  // What replaces a member has another id: of its own it strands something if there are more of them.
  const own = mine(spare, then);
  const isMore = own.length > mine(before.spare, already).length;
  const taken =
    spare.vees.find((v) => v.serviceId !== service.id && then.has(v.id) && !already.has(v.id)) ??
    (isMore ? own[0] : undefined);
  if (!taken) return undefined;
  const lost = then.get(taken.id) ?? '';
  const refusal = { reason: 'no-spare', lost, stranded: `${taken.component} (${taken.id})` } as const;
  // Told of a member of the service: whose place it would take is not for its tenant to know.
  const [asks] = [...waves.flatMap((w) => w.creates), ...members];
  const { component, index } = asks ?? { component: '', index: 0 };
  const hosts = [{ hostId: lost as HostId, refusals: [refusal] }];
  return { kind: 'infeasible', proven: false, unplaced: [{ veeId: taken.id, component, index, hosts }] };
}

export interface RecompositionQuestion {
  readonly service: ServiceRecord;
  readonly current: Manifest;
  readonly wanted: Manifest;
  /** The service's living VEEs. */
  readonly members: readonly VeeRecord[];
  readonly snapshot: Snapshot;
  readonly policy: Policy;
}

export interface PlannedRecomposition {
  readonly kind: 'planned';
  readonly plan: Recomposition;
  readonly played: Rehearsed | Unrehearsed;
}

/** The whole of it, decided and played through: what the operation will do, and what its dry run tells. */
export function decideRecomposition(
  { service, current, wanted, members, snapshot, policy }: RecompositionQuestion,
  { now, operationId }: Pick<PlanContext, 'now' | 'operationId'>,
): PlannedRecomposition | BlockedRecomposition | ExcessiveRecomposition {
  const { id: serviceId, instances } = service;
  const { at, hosts, stays } = snapshot;
  const stay = stays?.get(serviceId);
  const plan = recompose({ serviceId, current, wanted, instances, members, hosts, at, stay });
  if (plan.kind === 'blocked') return plan;
  const excess = excessOf(plan.waves);
  if (excess) return excess;
  const blueprintId = makeBlueprintId(derivedEntropy(operationId, 'rehearsal'));
  const context = { now, seed: operationId, blueprintId, operationId };
  const handing = { service, current, wanted, waves: plan.waves };
  return { kind: 'planned', plan, played: rehearse(snapshot, handing, members, policy, context) };
}

/** The hosts that it goes to; none when it can't be done. */
export function playedOn(decided: ReturnType<typeof decideRecomposition>): HostId[] {
  if (decided.kind !== 'planned' || decided.played.kind !== 'feasible') return [];
  const { waves } = decided.played;
  return [...new Set(waves.flatMap((w) => [...(w.move ? [w.move] : []), ...w.creates]).map((a) => a.hostId))];
}
