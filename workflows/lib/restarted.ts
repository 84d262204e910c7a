import { awaitReady, onHost, onHostUndo } from './activities';
import type { Steps } from './saga';
import type { lockVee } from './vee-transition';

/**
 * Stops a VEE whose lock is held, and starts it again where it is; it keeps its disk, its address and its reservation.
 * @param work what is done to it while it is stopped: to be undone, it is stopped for that as well
 */
export async function restarted(
  steps: Steps,
  { veeId, epoch, hostId, agentQueue, template }: Awaited<ReturnType<typeof lockVee>>,
  work?: () => Promise<void>,
): Promise<void> {
  const { timing } = steps.input;
  const { stopGraceMillis: graceMillis } = template;
  const call = { hostId, ref: { veeId, epoch } };
  const stopAgain = () =>
    onHostUndo(agentQueue, timing, 'start', graceMillis).stopVee({ ...call, graceMillis });
  await steps.step({
    name: 'stop',
    host: hostId,
    undo: () => onHostUndo(agentQueue, timing, 'stop').startVee(call),
    run: () => onHost(agentQueue, timing, 'stop', graceMillis).stopVee({ ...call, graceMillis }),
  });
  if (work) await work();
  await steps.step({
    name: 'start',
    host: hostId,
    ...(work ? { undo: stopAgain } : {}),
    run: () => onHost(agentQueue, timing, 'start').startVee(call),
  });
  await steps.step({
    name: 'ready',
    host: hostId,
    interruptible: true,
    run: () => awaitReady({ hostId, agentQueue }, call.ref, timing, 'ready', template.readiness),
  });
}
