import type { ErrorSummary } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import { isLarge, type LargeDeployment } from '../../domain/service/batches';
import { type Deployment, type PlannedVee, veeLabel } from '../../domain/service/deployment';
import { site } from './activities';
import { attempt } from './attempt';
import { runBatches } from './batches';
import { deployVee, recordDeployment, STEPS_PER_VEE } from './deploy';
import type { Operation } from './operation';
import { inParallel } from './parallel';

/** A part that failed alone, and was taken back. */
export interface PartFailure {
  readonly about: string;
  readonly veeId?: VeeId;
  readonly error: ErrorSummary;
}

/** A VEE that was given up while others of its service stay. */
export interface GivenUp extends PartFailure {
  readonly component: string;
}

/** Why a VEE was not even started. */
export const BARRED: ErrorSummary = {
  code: 'vee-not-ready',
  detail: 'It was not started: what it depends on did not become ready.',
};

export const givenUp = (
  vee: Pick<PlannedVee, 'veeId' | 'component' | 'index'>,
  error: ErrorSummary,
): GivenUp => ({
  about: veeLabel(vee),
  veeId: vee.veeId,
  component: vee.component,
  error,
});

export const componentsOf = (failures: readonly GivenUp[]): string[] => [
  ...new Set(failures.map((f) => f.component)),
];

/**
 * As `deployVees`, but a VEE that fails is given up alone. What depends on its component is not started, since
 * its start order can't be kept any more.
 */
export function deployWhatStarts(
  operation: Operation,
  deployment: Deployment | LargeDeployment,
  which = '',
): Promise<PartFailure[]> {
  return isLarge(deployment) ? inBatches(operation, deployment) : oneByOne(operation, deployment, which);
}

async function oneByOne(operation: Operation, deployment: Deployment, which: string): Promise<PartFailure[]> {
  const { operationId } = operation.input;
  const { serviceId } = deployment;
  const failures: GivenUp[] = [];
  const give = async (vee: PlannedVee, error: ErrorSummary) => {
    const { veeId } = vee;
    failures.push(givenUp(vee, error));
    await operation.step({
      name: `give up ${veeLabel(vee)}`,
      run: () => site.discardVee({ operationId, veeId }),
    });
  };

  const recorded = await recordDeployment(operation, deployment, which);
  let barred: readonly string[] = [];
  for (const level of deployment.levels) {
    const vees = deployment.vees.filter((v) => level.includes(v.component));
    const before = failures.length;
    await inParallel(vees, async (vee) => {
      const error: ErrorSummary | undefined = barred.includes(vee.component)
        ? BARRED
        : await attempt(operation, `deploy ${veeLabel(vee)}`, (part) => deployVee(part, recorded, vee));
      if (error) await give(vee, error);
    });
    if (failures.length === before || level === deployment.levels.at(-1)) continue;
    barred = await operation.step({
      name: `dependants of ${level.join(', ')}`,
      run: () => site.dependantsOf({ serviceId, components: componentsOf(failures) }),
    });
  }
  return failures;
}

async function inBatches(operation: Operation, deployment: LargeDeployment): Promise<PartFailure[]> {
  const { serviceId, plan } = deployment;
  const failures: GivenUp[] = [];
  let barred: readonly string[] = [];
  await recordDeployment(operation, deployment);
  await runBatches<readonly GivenUp[]>(
    operation,
    plan,
    {
      type: 'deployWhatStartsBatch',
      verb: 'deploy',
      stepsPerVee: STEPS_PER_VEE,
      takenBackBy: 'takeBackDeployment',
      // What fails on its way is given up by the batch itself. That it can't be is for the operator to see to.
      patient: true,
    },
    async (results, isLast) => {
      const fresh = results.flat();
      failures.push(...fresh);
      if (fresh.length === 0 || isLast) return barred;
      const components = componentsOf(failures);
      barred = await operation.step({
        name: `dependants of ${components.join(', ')}`,
        run: () => site.dependantsOf({ serviceId, components }),
      });
      return barred;
    },
  );
  return failures;
}
