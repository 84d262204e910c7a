import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import type { DriftTask } from '../../domain/reconcile/tasks';
import { onHost, site, siteWait } from '../lib/activities';
import { now } from '../lib/clock';
import { summarise } from '../lib/failure';
import { type Operation, runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';

type EndTask = DriftTask & { readonly do: 'end' };

/**
 * Brings records and hosts together where they differ. What is done about each finding is an operation of its own, so
 * that it respects whatever holds the service; only copies that are too many are ended from here. One that can't be
 * mended is noted, and found again by the next look: nothing here gets stuck, and nothing has to be undone.
 */
export function reconcileSite(input: OperationInput): Promise<OperationOutcome> {
  const { operationId } = input;
  return runOperation(input, async (operation) => {
    const { tasks } = await operation.step({
      name: 'look',
      run: () => site.lookForDrift({ operationId }),
    });
    operation.expect(tasks.length);
    await inParallel(tasks, async (task) => {
      try {
        if (await carryOut(operation, task))
          await operation.step({
            name: `close ${task.label}`,
            run: () => site.closeDrift({ operationId, findings: task.findings }),
          });
      } catch (error) {
        if (operation.isEnding(error)) throw error;
        operation.note({ about: task.label, error: summarise(error) });
      }
    });
  });
}

/** @returns whether it is mended */
function carryOut(operation: Operation, task: DriftTask): Promise<boolean> {
  return task.do === 'end' ? endExtra(operation, task) : askFor(operation, task);
}

async function askFor(operation: Operation, task: Exclude<DriftTask, EndTask>): Promise<boolean> {
  const { operationId, timing } = operation.input;
  if (task.do === 'make-anew' && !(await confirmMissing(operation, task))) return false;
  const name = `${task.do === 'mend' ? task.verb : task.do} ${task.label}`;
  // So long a child may take that meets an agent which is away, and goes back.
  const until = now() + timing.giveUpMillis + timing.undoGiveUpMillis;
  const end = await operation.step({
    name,
    interruptible: true,
    run: async () => {
      const child = await site.askForMending({ operationId, task });
      return siteWait().awaitSettled({ operationId: child.operationId, until });
    },
  });
  for (const note of end.notes ?? []) operation.note(note);
  const detail = `${end.operationId} is ${end.state}.`;
  if (end.state !== 'completed')
    operation.note({ about: task.label, error: end.error ?? { code: 'conflict', detail } });
  return end.state === 'completed' && (end.notes ?? []).length === 0;
}

/** To be made anew costs a VEE its disk, so its host is asked once more. */
async function confirmMissing(operation: Operation, task: DriftTask & { do: 'make-anew' }): Promise<boolean> {
  const { timing } = operation.input;
  for (const { hostId, agentQueue, veeId } of task.vees) {
    const seen = await operation.step({
      name: `ask ${hostId} for ${veeId}`,
      host: hostId,
      run: () => onHost(agentQueue, timing, 'ask host').inspectVee({ hostId, veeId }),
    });
    if (seen) {
      operation.note({
        about: task.label,
        veeId,
        error: { code: 'conflict', detail: `${hostId} has it after all, ${seen.state}.` },
      });
      return false;
    }
  }
  return true;
}

async function endExtra(operation: Operation, task: EndTask): Promise<boolean> {
  const { operationId, timing } = operation.input;
  const { label, veeId, hostId, agentQueue, seenEpoch, epoch } = task;
  const tooMany = await operation.step({
    name: `confirm ${label}`,
    run: () => site.isTooMany({ operationId, task }),
  });
  if (!tooMany) return false;
  const ended = await operation.step({
    name: `end ${label}`,
    host: hostId,
    run: () => onHost(agentQueue, timing, `end ${label}`).endCopy({ hostId, veeId, seenEpoch, epoch }),
  });
  if (ended)
    await operation.step({
      name: `release ${label}`,
      run: () => site.releaseLeftover({ veeId, hostId }),
    });
  return ended;
}
