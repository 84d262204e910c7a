import { SluiceError } from '../domain/errors';
import { groupBy } from '../domain/group-by';
import { agentTaskQueue, type OperationId, type ServiceId, type VeeId } from '../domain/ids';
import { onLease } from '../domain/leases/use';
import { templateOf } from '../domain/manifest/components';
import type { Manifest } from '../domain/manifest/schema';
import { planSingleMove, sendLimits } from '../domain/migration/deadline';
import type { Blueprint } from '../domain/placement/model';
import { type Additions, additionRequest, migrationRequest } from '../domain/placement/request';
import { type LargeDeployment, tellable } from '../domain/service/batches';
import { type Deployment, on } from '../domain/service/deployment';
import { planScaling, type ScalingChange, standingOf } from '../domain/service/scaling';
import type { ServiceRecord } from '../domain/service/service';
import { startLevels } from '../domain/service/start-order';
import type { VeeRecord } from '../domain/vee/vee';
import type { VeeSpec } from '../drivers/contract';
import { hostOf } from '../store/snapshot';
import type { Store } from '../store/store';
import { decide, decideAndReserve } from './decide';
import type { SiteDeps } from './deps';
import { divide } from './divide';
import { toLivingAll } from './living';
import type { SendLimits } from './veeh';

/** Epoch of a VEE's first activation. */
export const FIRST_EPOCH = 1;

export interface MigrationPlan {
  readonly target: { readonly hostId: VeeRecord['hostId']; readonly agentQueue: string };
  readonly epoch: number;
  /** Only so can the deadline be met. */
  readonly stopAndCopy: boolean;
  /** Absent in plans of earlier releases. */
  readonly limits?: SendLimits;
  readonly spec: VeeSpec;
}

/** Activities that decide, each by a pure function over what the database says now. */
export function createPlanningActivities(deps: SiteDeps) {
  const { store } = deps;

  async function planFor(
    service: ServiceRecord,
    operationId: OperationId,
    additions: readonly Additions[],
    attempt: number,
    inBatches: boolean,
  ): Promise<Deployment | LargeDeployment> {
    const manifest = await store.services.manifest(service.manifestDigest);
    const lease = service.leaseId && (await store.leases.get(service.leaseId));
    const request = onLease(additionRequest(manifest, service, operationId, additions), lease);
    const blueprint = await decide(deps, operationId, request, attempt);
    const vees = blueprint.assignments.map(({ veeId, component, index }) => ({ veeId, component, index }));
    if (inBatches && !tellable(vees, deps.batchSize))
      return {
        blueprintId: blueprint.id,
        tenantId: service.tenantId,
        serviceId: service.id,
        plan: await divide(deps, operationId, `deploy/${blueprint.id}`, byStartLevel(manifest, vees)),
      };
    return toDeployment(store, blueprint, manifest, service);
  }

  async function reserveTarget(
    vee: VeeRecord,
    operationId: OperationId,
    toHostId?: string,
  ): Promise<VeeRecord['hostId']> {
    const service = await serviceOf(store, vee.serviceId);
    const manifest = await store.services.manifest(service.manifestDigest);
    const source = await hostOf(store, vee.hostId);
    if (source.fingerprint.capabilities.migration === 'none')
      throw new SluiceError('capability-missing', `The driver of ${source.id} can't migrate.`);
    const request = migrationRequest(manifest, vee, source, toHostId);
    const place = { veeId: vee.id, amount: vee.template.capacity };
    return (await decideAndReserve(deps, operationId, request, [], place)).hostId;
  }

  return {
    /** @param call.inBatches can the caller work on VEEs that are not told one by one? */
    async planService(call: {
      operationId: OperationId;
      serviceId: ServiceId;
      attempt: number;
      inBatches?: boolean;
    }): Promise<Deployment | LargeDeployment> {
      const service = await serviceOf(store, call.serviceId);
      const all = Object.entries(service.instances).map(([component, count]) => ({
        component,
        indices: Array.from({ length: count }, (_, i) => i),
      }));
      const deployment = await planFor(service, call.operationId, all, call.attempt, call.inBatches ?? false);
      await store.services.enterPhase(service.id, 'negotiated', call.operationId, deps.now());
      return deployment;
    },

    async planAdditions(call: {
      operationId: OperationId;
      serviceId: ServiceId;
      component: string;
      indices: readonly number[];
      attempt: number;
      inBatches?: boolean;
    }): Promise<Deployment | LargeDeployment> {
      const service = await serviceOf(store, call.serviceId);
      return planFor(
        service,
        call.operationId,
        [{ component: call.component, indices: call.indices }],
        call.attempt,
        call.inBatches ?? false,
      );
    },

    /** @param call.operationId told by callers that can work in batches */
    async planScaling(call: {
      operationId?: OperationId;
      serviceId: ServiceId;
      component: string;
      instances: number;
    }): Promise<ScalingChange> {
      const members = await store.vees.find({
        serviceId: call.serviceId,
        component: call.component,
        living: true,
      });
      const { create, retire } = planScaling(members, call.instances, standingOf(await store.hosts.all()));
      const living = await toLivingAll(store, retire);
      if (call.operationId && !tellable(living, deps.batchSize)) {
        const victims = retire
          .map(({ id, component, index }) => ({ veeId: id, component, index }))
          .sort((a, b) => a.index - b.index);
        return {
          create,
          retire: [],
          retireInBatches: await divide(deps, call.operationId, 'retire', [victims]),
        };
      }
      return { create, retire: living };
    },

    /** Chooses a target and takes its capacity, so that a repeat finds the migration's own reservation. */
    async planMigration(call: {
      operationId: OperationId;
      veeId: VeeId;
      toHostId?: string;
      deadlineMillis?: number;
      onDeadline?: 'refuse' | 'escalate';
    }): Promise<MigrationPlan> {
      const { operationId, veeId, toHostId } = call;
      const vee = await store.vees.get(veeId);
      if (!vee) throw new SluiceError('not-found', `There is no VEE ${veeId}.`);
      const { mode } = planSingleMove(vee, await hostOf(store, vee.hostId), deps.migrationBudget, call);
      const held = await store.hosts.heldBy(operationId, veeId);
      const hostId = held ?? (await reserveTarget(vee, operationId, toHostId));
      const target = await hostOf(store, hostId);
      const epoch = await store.vees.nextEpoch(veeId, operationId);
      const { tenantId, serviceId, component, index, template } = vee;
      return {
        target: { hostId, agentQueue: agentTaskQueue(target.siteId, target.agentId) },
        epoch,
        stopAndCopy: mode === 'stop-and-copy',
        limits: sendLimits(template.capacity, deps.migrationBudget, call, { beganAt: deps.now() }),
        spec: { veeId, epoch, tenantId, serviceId, component, index, template, ...on(vee.networks) },
      };
    },
  };
}

export async function serviceOf(store: Store, id: ServiceId): Promise<ServiceRecord> {
  const service = await store.services.get(id);
  if (!service) throw new SluiceError('not-found', `There is no service ${id}.`);
  return service;
}

/** A blueprint in the form that its executor works with. */
export async function toDeployment(
  store: Store,
  blueprint: Blueprint,
  manifest: Manifest,
  service: ServiceRecord,
): Promise<Deployment> {
  const levels = startOrder(manifest);
  const names = new Set(blueprint.assignments.map((a) => a.component));
  const used = new Set(blueprint.assignments.map((a) => a.hostId));
  const hosts = (await store.hosts.all()).filter((h) => used.has(h.id));
  const declared = manifest.components.filter((c) => names.has(c.name));
  return {
    blueprintId: blueprint.id,
    tenantId: service.tenantId,
    serviceId: service.id,
    templates: Object.fromEntries(declared.map((c) => [c.name, templateOf(manifest, c)])),
    levels: levels.map((level) => level.filter((c) => names.has(c))).filter((level) => level.length > 0),
    vees: blueprint.assignments.map(({ veeId, component, index, hostId }) => ({
      veeId,
      component,
      index,
      hostId,
      epoch: FIRST_EPOCH,
    })),
    queues: Object.fromEntries(hosts.map((h) => [h.id, agentTaskQueue(h.siteId, h.agentId)])),
  };
}

function startOrder(manifest: Manifest): readonly (readonly string[])[] {
  const order = startLevels(
    manifest.components.map((c) => c.name),
    manifest.topology.dependencies,
  );
  if (order.kind === 'cycle') throw new SluiceError('manifest-invalid', 'The start order has a cycle.');
  return order.levels;
}

function byStartLevel<V extends { readonly component: string; readonly index: number }>(
  manifest: Manifest,
  vees: readonly V[],
): V[][] {
  const members = groupBy(
    [...vees].sort((a, b) => a.index - b.index),
    (v) => v.component,
  );
  return startOrder(manifest).map((level) => level.flatMap((component) => members.get(component) ?? []));
}
