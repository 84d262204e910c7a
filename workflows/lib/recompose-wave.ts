import type { ServiceId } from '../../domain/ids';
import { type Deployment, type LivingVee, veeLabel } from '../../domain/service/deployment';
import type { WaveWork } from '../../domain/service/recompose-work';
import { site } from './activities';
import { attempt } from './attempt';
import { deployByLevel, planAndReserve, STEPS_PER_VEE } from './deploy';
import { deployWhatStarts, type PartFailure } from './deploy-what-starts';
import type { Operation } from './operation';
import { inParallel } from './parallel';
import {
  endMember,
  moveMember,
  resizeMember,
  STEPS_PER_MEMBER_MOVE,
  STEPS_PER_RESIZE,
} from './recompose-member';
import { STEPS_PER_RETIREMENT } from './retire';
import type { Steps } from './saga';

export interface WaveOrder {
  readonly serviceId: ServiceId;
  readonly wave: number;
  readonly waves: number;
  /** What fails is taken back alone, and the failures are returned; otherwise the first is thrown. */
  readonly keep: boolean;
}

/** One wave: sizes, then a place, then what is new, and when that serves, what goes. Stops at what fails first. */
export async function carryOutWave(
  operation: Operation,
  { serviceId, wave, waves, keep }: WaveOrder,
): Promise<PartFailure[]> {
  const { operationId } = operation.input;
  const which = ` (wave ${wave + 1} of ${waves})`;
  const failures: PartFailure[] = [];
  const tolerantly = async (
    about: string,
    veeId: LivingVee['veeId'] | undefined,
    body: (steps: Steps) => Promise<void>,
  ) => {
    if (!keep) return body(operation);
    const error = await attempt(operation, about, body);
    if (error) failures.push({ about, error, ...(veeId ? { veeId } : {}) });
  };
  const each = (vees: readonly LivingVee[], body: (steps: Steps, vee: LivingVee) => Promise<void>) =>
    inParallel(vees, (vee) => tolerantly(veeLabel(vee), vee.veeId, (steps) => body(steps, vee)));

  const work = await operation.step({
    name: `begin${which}`,
    run: () => site.recompositionWave({ operationId, serviceId, wave }),
  });
  operation.expect(stepsOf(work) + (waves - wave - 1) + 1);
  await each(work.resizes, async (steps, vee) => {
    const made = work.made[vee.component];
    if (made) await resizeMember(steps, vee, made);
  });
  if (work.move && failures.length === 0)
    await each([work.move], async (steps, vee) => {
      const plan = () => site.planMove({ operationId, serviceId, wave, veeId: vee.veeId });
      const made = work.made[vee.component];
      if (made) await moveMember(operation, steps, vee, made.readiness, plan);
    });
  if (work.creates > 0 && failures.length === 0) await create();
  if (failures.length === 0) await each(work.destroys, endMember);
  return failures;

  async function create(): Promise<void> {
    const plan = (tried: number) => site.planWave({ operationId, serviceId, wave, attempt: tried });
    let deployment: Deployment | undefined;
    await tolerantly(`new VEEs${which}`, undefined, async (steps) => {
      deployment = await planAndReserve(steps, plan, which);
    });
    if (!deployment) return;
    if (keep) failures.push(...(await deployWhatStarts(operation, deployment, which)));
    else await deployByLevel(operation, deployment, which);
  }
}

const stepsOf = ({ resizes, move, creates, destroys }: WaveWork) =>
  resizes.length * STEPS_PER_RESIZE +
  (move ? STEPS_PER_MEMBER_MOVE : 0) +
  (creates > 0 ? creates * STEPS_PER_VEE + 3 : 0) +
  destroys.length * STEPS_PER_RETIREMENT;
