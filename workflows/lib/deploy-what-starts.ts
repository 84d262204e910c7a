import type { ErrorSummary } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import { type Deployment, type PlannedVee, veeLabel } from '../../domain/service/deployment';
import { site } from './activities';
import { attempt } from './attempt';
import { deployVee, recordDeployment } from './deploy';
import type { Operation } from './operation';
import { inParallel } from './parallel';

/** A part that failed alone, and was taken back. */
export interface PartFailure {
  readonly about: string;
  readonly veeId?: VeeId;
  readonly error: ErrorSummary;
}

/**
 * As `deployByLevel`, but a VEE that fails is given up alone. What depends on its component is not started, since
 * its start order can't be kept any more.
 */
export async function deployWhatStarts(
  operation: Operation,
  deployment: Deployment,
  which = '',
): Promise<PartFailure[]> {
  const { operationId } = operation.input;
  const { serviceId } = deployment;
  const failures: PartFailure[] = [];
  const give = async (vee: PlannedVee, error: ErrorSummary) => {
    const { veeId } = vee;
    failures.push({ about: veeLabel(vee), veeId, error });
    await operation.step({
      name: `give up ${veeLabel(vee)}`,
      run: () => site.discardVee({ operationId, veeId }),
    });
  };

  await recordDeployment(operation, deployment, which);
  let barred: readonly string[] = [];
  for (const level of deployment.levels) {
    const vees = deployment.vees.filter((v) => level.includes(v.component));
    const before = failures.length;
    await inParallel(vees, async (vee) => {
      const error: ErrorSummary | undefined = barred.includes(vee.component)
        ? { code: 'vee-not-ready', detail: 'It was not started: what it depends on did not become ready.' }
        : await attempt(operation, `deploy ${veeLabel(vee)}`, (part) => deployVee(part, deployment, vee));
      if (error) await give(vee, error);
    });
    if (failures.length === before || level === deployment.levels.at(-1)) continue;
    const failed = failures.map(
      ({ veeId }) => deployment.vees.find((v) => v.veeId === veeId)?.component ?? '',
    );
    barred = await operation.step({
      name: `dependants of ${level.join(', ')}`,
      run: () => site.dependantsOf({ serviceId, components: [...new Set(failed)] }),
    });
  }
  return failures;
}
