import { z } from 'zod';
import type { OperationId, ServiceId, VeeId } from '../../domain/ids';
import type { OperationRecord } from '../../domain/operation/operation';
import type { Assignment, Blueprint, HostVerdict } from '../../domain/placement/model';
import { refusalCounts, refusalGroups, refusalSummary } from '../../domain/placement/refusal-summary';
import type { ServiceRecord } from '../../domain/service/service';
import type { VeeRecord } from '../../domain/vee/vee';
import type { Identity } from '../../store/identities';
import type { RefusedPlan } from '../../store/records';
import type { ApiDeps } from '../deps';
import { byId, found, OPERATED, type Route, route } from '../route';
import { blueprintView, policyView, reasonOf } from '../views';

const explainedSchema = z.object({
  veeId: z.string(),
  component: z.string(),
  index: z.int(),
  hostId: z.string(),
  because: z.string().optional().describe('Absent where no decision is on record'),
  refused: z
    .array(z.object({ because: z.string(), hosts: z.int() }))
    .optional()
    .describe('So many hosts could not take it, for that reason; for operators'),
});

/** Why things are where they are, as it was decided then. */
export function explanationRoutes({ store }: ApiDeps): Route[] {
  /** The last decision by which a VEE came to where it is; of one whose move left none, that by which it was made. */
  async function decisionOn(vee: VeeRecord): Promise<Blueprint | undefined> {
    const last = await store.blueprints.thatPut(vee.id, vee.hostId);
    const made = last ?? (await store.blueprints.get(vee.blueprintId));
    return made?.kind === 'blueprint' ? made : undefined;
  }

  return [
    route({
      method: 'get',
      path: '/v1/vees/{id}/explain',
      tag: 'vees',
      summary: 'Why it is where it is, and why not elsewhere',
      roles: OPERATED,
      params: byId,
      responses: {
        200: {
          description: 'The decision',
          schema: z.object({ veeId: z.string(), hostId: z.string(), decision: z.unknown() }),
        },
      },
      handler: async ({ identity, params }) => {
        const vee = found<VeeRecord>(identity, 'VEE', await store.vees.get(params.id as VeeId));
        const decided = await decisionOn(vee);
        const told = decided && blueprintView(decided, identity);
        const operation = told && (await store.operations.get(told.operationId));
        const { policy, createdAt, algorithm, id } = told ?? {};
        return {
          status: 200,
          body: {
            ...{ veeId: vee.id, hostId: vee.hostId, blueprintId: id ?? vee.blueprintId, policy, algorithm },
            ...{ decidedAt: createdAt, operation: operation && by(operation) },
            decision: told && assignmentOf(told, vee),
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/services/{id}/explain',
      tag: 'services',
      summary: 'Why each of its VEEs is where it is',
      roles: OPERATED,
      params: byId,
      responses: { 200: { description: 'By VEE', schema: z.object({ items: z.array(explainedSchema) }) } },
      handler: async ({ identity, params }) => {
        const service = found<ServiceRecord>(
          identity,
          'service',
          await store.services.get(params.id as ServiceId),
        );
        const vees = await store.vees.find({ serviceId: service.id, living: true });
        const decided = await store.blueprints.lastPlacings(vees, identity.role === 'operator');
        const items = vees.map((vee) => explained(vee, decided.get(vee.id), identity));
        return { status: 200, body: { items } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/operations/{id}/explain',
      tag: 'operations',
      summary: 'What it has decided about places, or why it found none',
      roles: OPERATED,
      params: byId,
      responses: {
        200: {
          description: 'Its plans, in order',
          schema: z.object({
            items: z.array(
              z.object({
                blueprintId: z.string(),
                decidedAt: z.int(),
                policy: z.unknown().optional(),
                algorithm: z.string().optional(),
                placed: z.array(explainedSchema),
                refused: z.string().optional().describe('Why nothing was found'),
              }),
            ),
          }),
        },
      },
      handler: async ({ identity, params }) => {
        const operation = found<OperationRecord>(
          identity,
          'operation',
          await store.operations.get(params.id as OperationId),
        );
        const plans = await store.blueprints.ofOperation(operation.id);
        return { status: 200, body: { items: plans.map((plan) => planned(plan, identity)) } };
      },
    }),
  ];
}

const by = ({ id, kind, parentId, requestedBy }: OperationRecord) => ({
  ...{ id, kind, requestedBy },
  ...(parentId ? { parentId } : {}),
});

const assignmentOf = ({ assignments }: Blueprint, { id }: Pick<VeeRecord, 'id'>): Assignment | undefined =>
  assignments.find((a) => a.veeId === id);

function planned(plan: Blueprint | RefusedPlan, identity: Identity) {
  const { id: blueprintId, createdAt: decidedAt } = plan;
  if (plan.kind === 'infeasible') {
    const refused = identity.role === 'operator' ? refusalSummary(plan) : refusalCounts(plan);
    return { blueprintId, decidedAt, placed: [], refused };
  }
  const { policy, algorithm, assignments } = plan;
  const placed = assignments.map((a) => explained({ ...a, id: a.veeId }, a, identity));
  return { blueprintId, decidedAt, policy: policyView(policy, identity), algorithm, placed };
}

function explained(
  { id, component, index, hostId }: Pick<VeeRecord, 'id' | 'component' | 'index' | 'hostId'>,
  decision: Assignment | undefined,
  identity: Identity,
) {
  const refused = decision && identity.role === 'operator' ? refusedBy(decision.verdicts) : [];
  return {
    ...{ veeId: id, component, index, hostId },
    ...(decision ? { because: reasonOf(decision, identity) } : {}),
    ...(refused.length > 0 ? { refused } : {}),
  };
}

const refusedBy = (verdicts: readonly HostVerdict[]) =>
  refusalGroups(verdicts.filter((v) => v.refusals.length > 0));
