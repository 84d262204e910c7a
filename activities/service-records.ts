import { SluiceError } from '../domain/errors';
import type { OperationId, ServiceId } from '../domain/ids';
import { type OnFailure, provisioningFailureOf } from '../domain/manifest/policies';
import type { ServicePhase } from '../domain/service/service';
import { dependantsOf } from '../domain/service/start-order';
import type { ProgressReport } from '../store/operations';
import type { ServiceChange } from '../store/services';
import type { SiteDeps } from './deps';
import { serviceOf } from './planning';
import { inStopOrder } from './stop-order';
import { alertIfStuck } from './stuck-alert';

/** Activities that write how far a service and its operations have come. */
export function createServiceRecordActivities(deps: SiteDeps) {
  const { store } = deps;

  return {
    enterPhase: (call: PhaseCall) => enterPhase(deps, call),

    /** Undo of `enterPhase`: only if the operation had come so far. */
    async returnToPhase(call: PhaseCall): Promise<void> {
      const { phase, history } = await serviceOf(store, call.serviceId);
      const cameSoFar = history.some((h) => h.operationId === call.operationId && h.phase !== call.phase);
      if (cameSoFar && phase !== call.phase) await enterPhase(deps, call);
    },

    async reportOperation(report: ProgressReport): Promise<void> {
      await alertIfStuck(deps, report);
      await store.operations.report(report);
    },

    /** Admission: the service is as it was requested, and its tenant is known. */
    async admitService({
      serviceId,
    }: {
      operationId: OperationId;
      serviceId: ServiceId;
    }): Promise<Admission> {
      const { tenantId, manifestDigest } = await serviceOf(store, serviceId);
      if (!(await store.identities.hasTenant(tenantId)))
        throw new SluiceError('not-found', `There is no tenant ${tenantId}.`);
      return { onFailure: provisioningFailureOf(await store.services.manifest(manifestDigest)) };
    },

    async operateService({
      serviceId,
      operationId,
    }: {
      serviceId: ServiceId;
      operationId: OperationId;
    }): Promise<void> {
      await enterPhase(deps, { serviceId, operationId, phase: 'registered' });
      await enterPhase(deps, { serviceId, operationId, phase: 'operating' });
    },

    /** The service begins with less than was asked for: what did not start was given up, as its manifest says. */
    async operatePartly(call: { serviceId: ServiceId; operationId: OperationId }): Promise<void> {
      const { serviceId, operationId } = call;
      const { instances } = await serviceOf(store, serviceId);
      const running = await store.vees.find({ serviceId, state: 'ACTIVE' });
      const counts = Object.keys(instances).map((component): [string, number] => [
        component,
        running.filter((v) => v.component === component).length,
      ]);
      await enterPhase(deps, { serviceId, operationId, phase: 'registered' });
      await enterPhase(deps, {
        serviceId,
        operationId,
        phase: 'operating',
        change: { instances: Object.fromEntries(counts) },
      });
    },

    /** Components that need one of these, directly or by way of others. */
    async dependantsOf(call: { serviceId: ServiceId; components: readonly string[] }): Promise<string[]> {
      const { manifestDigest } = await serviceOf(store, call.serviceId);
      const { topology } = await store.services.manifest(manifestDigest);
      return dependantsOf(call.components, topology.dependencies);
    },

    /** Undo of `admitService` and all that followed: the service is over. */
    async withdrawService({
      serviceId,
      operationId,
    }: {
      serviceId: ServiceId;
      operationId: OperationId;
    }): Promise<void> {
      await enterPhase(deps, { serviceId, operationId, phase: 'decommissioning' });
      await enterPhase(deps, { serviceId, operationId, phase: 'decommissioned' });
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

    /** In groups: all of a group may be stopped side by side, a later group only after it. */
    listInStopOrder: ({ serviceId }: { serviceId: ServiceId }) => inStopOrder(store, serviceId),
  };
}

/** What the manifest says about how it is to be provisioned. */
export interface Admission {
  readonly onFailure: OnFailure;
}

interface PhaseCall {
  readonly serviceId: ServiceId;
  readonly phase: ServicePhase;
  readonly operationId: OperationId;
  /** Written with it. */
  readonly change?: ServiceChange;
}

/** Enters a phase of the service's life, and tells. */
export async function enterPhase({ store, now }: SiteDeps, call: PhaseCall): Promise<void> {
  const { serviceId, phase, operationId, change } = call;
  await store.services.enterPhase(serviceId, phase, operationId, now(), change);
  if (phase === 'decommissioned') await store.networks.removeOf(serviceId);
  const { tenantId, name } = await serviceOf(store, serviceId);
  await store.events.append({
    id: `${operationId}/${serviceId}/${phase}`,
    at: now(),
    kind: `service.${phase}`,
    message: `${name} is ${phase}`,
    tenantId,
    serviceId,
    subject: serviceId,
    operationId,
  });
}
