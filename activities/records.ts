import { SluiceError } from '../domain/errors';
import type { BlueprintId, HostId, OperationId, ServiceId, VeeId } from '../domain/ids';
import { templateOf } from '../domain/manifest/components';
import { hasEnded } from '../domain/operation/operation';
import type { Blueprint } from '../domain/placement/model';
import type { LivingVee } from '../domain/service/deployment';
import type { ServicePhase } from '../domain/service/service';
import { startLevels } from '../domain/service/start-order';
import type { Capacity } from '../domain/units';
import { nextState, type VeeVerb } from '../domain/vee/state-machine';
import type { VeeRecord, VeeTemplate } from '../domain/vee/vee';
import type { ProgressReport } from '../store/operations';
import type { SiteDeps } from './deps';
import { toLiving } from './living';
import { FIRST_EPOCH, serviceOf } from './planning';

interface OnVee {
  readonly operationId: OperationId;
  readonly veeId: VeeId;
}

interface OnBlueprint {
  readonly operationId: OperationId;
  readonly blueprintId: BlueprintId;
}

/** Activities that write what was decided or done. Each may be repeated; none decides anything. */
export function createRecordActivities(deps: SiteDeps) {
  const { store } = deps;

  async function blueprintOf(id: BlueprintId): Promise<Blueprint> {
    const kept = await store.blueprints.get(id);
    if (kept?.kind !== 'blueprint') throw new SluiceError('not-found', `There is no blueprint ${id}.`);
    return kept;
  }

  async function told(
    vee: VeeRecord,
    operationId: OperationId,
    kind: string,
    message: string,
  ): Promise<void> {
    const { id, tenantId, serviceId } = vee;
    await store.events.append({
      id: `${operationId}/${id}/${kind}`,
      at: deps.now(),
      kind: `vee.${kind}`,
      message,
      tenantId,
      serviceId,
      subject: id,
      operationId,
    });
  }

  async function enterPhase(call: {
    serviceId: ServiceId;
    phase: ServicePhase;
    operationId: OperationId;
  }): Promise<void> {
    const { serviceId, phase, operationId } = call;
    await store.services.enterPhase(serviceId, phase, operationId, deps.now());
    const { tenantId, name } = await serviceOf(store, serviceId);
    await store.events.append({
      id: `${operationId}/${serviceId}/${phase}`,
      at: deps.now(),
      kind: `service.${phase}`,
      message: `${name} is ${phase}`,
      tenantId,
      serviceId,
      subject: serviceId,
      operationId,
    });
  }

  return {
    enterPhase,

    reportOperation: (report: ProgressReport) => store.operations.report(report),

    /** Admission: the service is as it was requested, and its tenant is known. */
    async admitService({ serviceId }: { operationId: OperationId; serviceId: ServiceId }): Promise<void> {
      const { tenantId } = await serviceOf(store, serviceId);
      if (!(await store.identities.hasTenant(tenantId)))
        throw new SluiceError('not-found', `There is no tenant ${tenantId}.`);
    },

    async operateService({
      serviceId,
      operationId,
    }: {
      serviceId: ServiceId;
      operationId: OperationId;
    }): Promise<void> {
      await enterPhase({ serviceId, operationId, phase: 'registered' });
      await enterPhase({ serviceId, operationId, phase: 'operating' });
    },

    /** Undo of `admitService` and all that followed: the service is over. */
    async withdrawService({
      serviceId,
      operationId,
    }: {
      serviceId: ServiceId;
      operationId: OperationId;
    }): Promise<void> {
      await enterPhase({ serviceId, operationId, phase: 'decommissioning' });
      await enterPhase({ serviceId, operationId, phase: 'decommissioned' });
    },

    setInstances: ({
      serviceId,
      component,
      instances,
    }: {
      serviceId: ServiceId;
      component: string;
      instances: number;
    }) => store.services.setInstances(serviceId, component, instances, deps.now()),

    /** @returns false when a host had no room any more; what was taken elsewhere is given back then */
    async reserveBlueprint({ operationId, blueprintId }: OnBlueprint): Promise<boolean> {
      const blueprint = await blueprintOf(blueprintId);
      const needs = await needsByHost(blueprint);
      for (const [hostId, need] of needs) {
        if (await store.hosts.reserve(hostId, operationId, need, deps.now())) continue;
        await release(blueprint, operationId);
        return false;
      }
      const service = await serviceOfOperation(operationId);
      if (service?.phase === 'negotiated')
        await enterPhase({ serviceId: service.id, phase: 'reserved', operationId });
      return true;
    },

    releaseReservations: async ({ operationId, blueprintId }: OnBlueprint) =>
      release(await blueprintOf(blueprintId), operationId),

    releaseReservation: ({ hostId, veeId }: { hostId: HostId; veeId: VeeId }) =>
      store.hosts.release(hostId, veeId),

    async releaseMigration({ operationId, veeId }: OnVee): Promise<void> {
      for (const host of await store.hosts.all()) await store.hosts.release(host.id, veeId, operationId);
    },

    async adjustReservation({
      hostId,
      veeId,
      capacity,
    }: {
      hostId: HostId;
      veeId: VeeId;
      capacity: Capacity;
    }): Promise<void> {
      if (!(await store.hosts.adjust(hostId, veeId, capacity)))
        throw new SluiceError(
          'placement-infeasible',
          `${hostId} has no room for ${veeId} at ${capacity.cpuMillis} cpuMillis and ${capacity.memoryMiB} memoryMiB.`,
        );
    },

    async recordVees({ operationId, blueprintId }: OnBlueprint): Promise<void> {
      const blueprint = await blueprintOf(blueprintId);
      const templates = await templatesOf(operationId);
      const service = await serviceOfOperation(operationId);
      if (!service) throw new SluiceError('not-found', `There is no operation ${operationId}.`);
      const now = deps.now();
      await store.vees.define(
        blueprint.assignments.map(({ veeId, component, index, hostId }) => ({
          id: veeId,
          tenantId: service.tenantId,
          serviceId: service.id,
          component,
          index,
          state: 'DEFINED',
          hostId,
          epoch: FIRST_EPOCH,
          generation: 1,
          template: templateFor(templates, component),
          transition: { verb: 'start', operationId, since: now },
          blueprintId,
          createdAt: now,
          updatedAt: now,
        })),
      );
    },

    /** Undo of `recordVees`: closes what was metered. Their hosts have ended them by now. */
    async discardVees({ operationId, blueprintId }: OnBlueprint): Promise<void> {
      for (const { veeId } of (await blueprintOf(blueprintId)).assignments) {
        if (!(await store.vees.get(veeId))) continue;
        await store.vees.commit({
          veeId,
          operationId,
          step: 'discard',
          change: { state: 'DESTROYED' },
          ledger: 'destroyed',
          now: deps.now(),
        });
      }
    },

    async activateVee({ operationId, veeId }: OnVee): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'activate',
        change: { state: 'ACTIVE' },
        ledger: 'activated',
        now: deps.now(),
      });
      await told(vee, operationId, 'activated', `${vee.component}/${vee.index} runs on ${vee.hostId}`);
    },

    async retireVee({ operationId, veeId }: OnVee): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'retire',
        change: { state: 'DESTROYED' },
        ledger: 'destroyed',
        now: deps.now(),
      });
      await releaseEverywhere(veeId);
      await told(vee, operationId, 'destroyed', `${vee.component}/${vee.index} ended on ${vee.hostId}`);
    },

    /** In groups: all of a group may be stopped side by side, a later group only after it. */
    async listInStopOrder({ serviceId }: { serviceId: ServiceId }): Promise<LivingVee[][]> {
      const service = await serviceOf(store, serviceId);
      const manifest = await store.services.manifest(service.manifestDigest);
      const vees = await Promise.all(
        (await store.vees.find({ serviceId, living: true })).map((v) => toLiving(store, v)),
      );
      const order = startLevels(
        manifest.components.map((c) => c.name),
        manifest.topology.dependencies,
      );
      const levels = order.kind === 'levels' ? [...order.levels].reverse() : [];
      return levels
        .map((level) => vees.filter((v) => level.includes(v.component)))
        .filter((group) => group.length > 0);
    },

    async lockVee({
      operationId,
      veeId,
      verb,
    }: OnVee & { verb: VeeVerb }): Promise<LivingVee & { template: VeeTemplate }> {
      const vee = await store.vees.beginTransition(veeId, verb, operationId, deps.now(), hasEndedById);
      return { ...(await toLiving(store, vee)), template: vee.template };
    },

    unlockVee: ({ operationId, veeId }: OnVee) =>
      store.vees.abandonTransition(veeId, operationId, deps.now()),

    async commitState({ operationId, veeId, verb }: OnVee & { verb: VeeVerb }): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: verb,
        change: await stateAfter(veeId, verb),
        ledger: 'state',
        now: deps.now(),
      });
      await told(vee, operationId, verb, `${vee.component}/${vee.index}: ${verb}`);
    },

    /** Undo of `commitState`: only if this operation had come so far. */
    async revertState({ operationId, veeId, verb }: OnVee & { verb: VeeVerb }): Promise<void> {
      const vee = await store.vees.get(veeId);
      if (!vee || vee.transition?.operationId === operationId || nextState(vee.state, verb) === undefined)
        return;
      await store.vees.commit({
        veeId,
        operationId,
        step: `revert ${verb}`,
        change: await stateAfter(veeId, verb),
        ledger: 'state',
        now: deps.now(),
      });
    },

    async commitResize({ operationId, veeId, capacity }: OnVee & { capacity: Capacity }): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'resize',
        change: { capacity },
        ledger: 'resized',
        now: deps.now(),
      });
      await told(
        vee,
        operationId,
        'resized',
        `${vee.component}/${vee.index} has ${capacity.cpuMillis} cpuMillis and ${capacity.memoryMiB} memoryMiB`,
      );
    },

    async commitMove({
      operationId,
      veeId,
      toHostId,
      epoch,
    }: OnVee & { toHostId: HostId; epoch: number }): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'move',
        change: { hostId: toHostId, epoch },
        ledger: 'moved',
        now: deps.now(),
      });
      await told(vee, operationId, 'moved', `${vee.component}/${vee.index} moved to ${toHostId}`);
    },
  };

  /** Also what a migration that was given up holds for it on another host. */
  async function releaseEverywhere(veeId: VeeId): Promise<void> {
    for (const host of await store.hosts.all())
      if (host.reservations[veeId]) await store.hosts.release(host.id, veeId);
  }

  async function hasEndedById(id: OperationId): Promise<boolean> {
    const holder = await store.operations.get(id);
    return holder === undefined || hasEnded(holder);
  }

  async function stateAfter(veeId: VeeId, verb: VeeVerb) {
    const state = (await store.vees.get(veeId))?.state;
    const next = state && nextState(state, verb);
    return next ? { state: next } : {};
  }

  async function serviceOfOperation(operationId: OperationId) {
    const operation = await store.operations.get(operationId);
    return operation && store.services.get(operation.serviceId);
  }

  async function templatesOf(operationId: OperationId): Promise<Map<string, VeeTemplate>> {
    const service = await serviceOfOperation(operationId);
    if (!service) throw new SluiceError('not-found', `There is no operation ${operationId}.`);
    const manifest = await store.services.manifest(service.manifestDigest);
    return new Map(manifest.components.map((c) => [c.name, templateOf(manifest, c)]));
  }

  async function needsByHost(blueprint: Blueprint): Promise<Map<HostId, Map<string, Capacity>>> {
    const templates = await templatesOf(blueprint.operationId);
    const needs = new Map<HostId, Map<string, Capacity>>();
    for (const { veeId, component, hostId } of blueprint.assignments) {
      const onHost = needs.get(hostId) ?? new Map<string, Capacity>();
      needs.set(hostId, onHost.set(veeId, templateFor(templates, component).capacity));
    }
    return needs;
  }

  async function release(blueprint: Blueprint, operationId: OperationId): Promise<void> {
    for (const { veeId, hostId } of blueprint.assignments)
      await store.hosts.release(hostId, veeId, operationId);
  }
}

function templateFor(templates: ReadonlyMap<string, VeeTemplate>, component: string): VeeTemplate {
  const template = templates.get(component);
  if (!template) throw new SluiceError('not-found', `The manifest has no component "${component}".`);
  return template;
}
