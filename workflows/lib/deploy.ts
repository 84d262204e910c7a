import { ApplicationFailure } from '@temporalio/workflow';
import type { ServiceId, TenantId, VeeId } from '../../domain/ids';
import type { NetworkAttachment } from '../../domain/network/attachment';
import { isLarge, type LargeDeployment } from '../../domain/service/batches';
import { type Deployment, on, type PlannedVee, veeLabel } from '../../domain/service/deployment';
import type { VeeTemplate } from '../../domain/vee/vee';
import { awaitReady, fetchMillisOf, type OnAgent, onHost, onHostUndo, site } from './activities';
import { runBatches } from './batches';
import type { Operation } from './operation';
import { inParallel } from './parallel';
import type { Steps } from './saga';

/** Other plans may keep taking the capacity; after so many lost races the operation fails, and says so. */
const MOST_PLANS = 5;

/** Steps per VEE: define, start, ready, activate. */
export const STEPS_PER_VEE = 4;

/**
 * Plans and reserves, planning anew while others are quicker. Reservations carry the operation's id, so
 * the undo frees exactly what was taken here.
 */
export async function planAndReserve<D extends Pick<Deployment, 'blueprintId'>>(
  operation: Steps,
  plan: (attempt: number) => Promise<D>,
  which = '',
): Promise<D> {
  const { operationId } = operation.input;
  for (let attempt = 1; attempt <= MOST_PLANS; attempt++) {
    const suffix = `${which}${attempt === 1 ? '' : ` (attempt ${attempt})`}`;
    const deployment = await operation.step({ name: `plan${suffix}`, run: () => plan(attempt) });
    const { blueprintId } = deployment;
    const reserved = await operation.step({
      name: `reserve${suffix}`,
      undo: () => site.releaseReservations({ operationId, blueprintId }),
      run: () =>
        site.reserveBlueprint({
          ...{ operationId, blueprintId },
          ...(attempt === MOST_PLANS ? { lost: attempt - 1 } : {}),
        }),
    });
    if (reserved) return deployment;
  }
  throw ApplicationFailure.nonRetryable(
    `Other plans took the capacity ${MOST_PLANS} times in a row.`,
    'placement-race',
  );
}

/** Makes the VEEs of a deployment run, level by level: all of a level are ready before the next starts. */
export async function deployVees(
  operation: Operation,
  deployment: Deployment | LargeDeployment,
): Promise<void> {
  operation.expect(1 + countOf(deployment) * STEPS_PER_VEE + 1);
  if (!isLarge(deployment)) return deployByLevel(operation, deployment);
  await recordDeployment(operation, deployment);
  await runBatches(operation, deployment.plan, {
    type: 'deployBatch',
    verb: 'deploy',
    stepsPerVee: STEPS_PER_VEE,
    takenBackBy: 'takeBackDeployment',
  });
}

export const countOf = (deployment: Deployment | LargeDeployment) =>
  isLarge(deployment) ? deployment.plan.total : deployment.vees.length;

/** The same for a part of an operation; `which` tells its steps from those of other parts. */
export async function deployByLevel(operation: Steps, deployment: Deployment, which = ''): Promise<void> {
  const recorded = await recordDeployment(operation, deployment, which);
  for (const level of deployment.levels) {
    const vees = deployment.vees.filter((v) => level.includes(v.component));
    await inParallel(vees, (vee) => deployVee(operation, recorded, vee));
  }
}

/** @returns the deployment with how its VEEs are on networks */
export async function recordDeployment<D extends Pick<Deployment, 'blueprintId'>>(
  operation: Steps,
  deployment: D,
  which = '',
): Promise<D & Pick<Deployment, 'networks'>> {
  const { blueprintId } = deployment;
  const { operationId } = operation.input;
  const recorded = await operation.step({
    name: `record${which}`,
    // The ledger is closed by this undo, which runs after those that end the VEEs on their hosts.
    undo: () => site.discardVees({ operationId, blueprintId }),
    run: () => site.recordVees({ operationId, blueprintId }),
  });
  // Histories from before there were networks have no answer here.
  return recorded?.networks ? { ...deployment, networks: recorded.networks } : deployment;
}

export async function deployVee(operation: Steps, deployment: Deployment, vee: PlannedVee): Promise<void> {
  const { operationId } = operation.input;
  const { tenantId, serviceId } = deployment;
  const template = deployment.templates[vee.component];
  const agentQueue = deployment.queues[vee.hostId];
  if (!template || !agentQueue)
    throw ApplicationFailure.nonRetryable(`The blueprint is not whole for ${vee.component}.`, 'internal');
  const networks = on(deployment.networks?.[vee.veeId]);
  await makeVee(operation, { ...vee, tenantId, serviceId, template, agentQueue, ...networks }, (veeId) =>
    site.activateVee({ operationId, veeId }),
  );
}

/** A VEE that is to be made, with all that its host needs for that. */
export interface VeeToMake extends PlannedVee {
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly template: VeeTemplate;
  readonly agentQueue: string;
  readonly networks?: readonly NetworkAttachment[];
}

/** @param activate records that it runs, from which on it is metered */
export async function makeVee(
  operation: Pick<Steps, 'input' | 'step'>,
  vee: VeeToMake,
  activate: (veeId: VeeId) => Promise<void>,
): Promise<void> {
  const { veeId, epoch, hostId, component, index, tenantId, serviceId, template, agentQueue } = vee;
  const label = veeLabel(vee);

  const spec = { veeId, epoch, tenantId, serviceId, component, index, template, ...on(vee.networks) };
  await bringUp(operation, { hostId, agentQueue }, spec, label);
  await operation.step({ name: `activate ${label}`, run: () => activate(veeId) });
}

/** A VEE that is not there yet is defined, started and waited for; undone, nothing is left of it. */
export async function bringUp(
  steps: Pick<Steps, 'input' | 'step'>,
  at: OnAgent,
  spec: Parameters<ReturnType<typeof onHost>['defineVee']>[0]['spec'],
  label: string,
): Promise<void> {
  const { timing } = steps.input;
  const { hostId, agentQueue } = at;
  const ref = { veeId: spec.veeId, epoch: spec.epoch };
  await steps.step({
    name: `define ${label}`,
    host: hostId,
    undo: () => onHostUndo(agentQueue, timing, `define ${label}`).destroyVee({ hostId, ref, graceMillis: 0 }),
    run: () =>
      onHost(agentQueue, timing, `define ${label}`, fetchMillisOf(spec.template)).defineVee({ hostId, spec }),
  });
  await steps.step({
    name: `start ${label}`,
    host: hostId,
    run: () => onHost(agentQueue, timing, `start ${label}`).startVee({ hostId, ref }),
  });
  await steps.step({
    name: `ready ${label}`,
    host: hostId,
    interruptible: true,
    run: () => awaitReady(at, ref, timing, `ready ${label}`, spec.template.readiness),
  });
}
