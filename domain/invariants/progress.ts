import { durationText } from '../duration';
import { groupBy } from '../group-by';
import type { OperationRecord } from '../operation/operation';
import type { VeeRecord } from '../vee/vee';
import { isUnderWay, type SystemState } from './model';

/** A workflow that has recorded its end closes at once; where its worker was killed in between, within seconds. */
const CLOSE_MILLIS = 15_000;
/** On top of what an operation may wait for: the time in which another worker takes it over, and reports are written. */
const MARGIN_MILLIS = 60_000;

/**
 * Whatever was lost meanwhile, work goes on: what is under way has moved within the time that it may wait for
 * something, workflows and records tell of the same operations, and somebody watches. That a record has a workflow
 * is looked at among the operations that end.
 */
export function workGoesOn({ operations, openOperations, watched, vees, timing, now }: SystemState) {
  const violations: string[] = [];
  if (!openOperations) violations.push('Temporal does not answer: nothing that is under way can move');
  if (watched === false)
    violations.push('the site’s watch does not run: silent hosts and lost requests go unseen');
  const byId = new Map(operations.map((o) => [o.id as string, o]));
  for (const id of openOperations ?? []) {
    const o = byId.get(id);
    if (!o) violations.push(`${id} has a workflow, but no record`);
    else if (o.endedAt !== undefined && now - o.endedAt > CLOSE_MILLIS)
      violations.push(`${id} ended ${durationText(now - o.endedAt)} ago, and its workflow is still open`);
  }
  const waits = longestWaits(vees);
  // Inside a batch of a large service, which is one step, its VEEs' records tell that work goes on.
  const changed = new Map(
    [...groupBy(vees, (v) => v.serviceId as string)].map(([id, of]) => [
      id,
      latest(of.map((v) => v.updatedAt)),
    ]),
  );
  const underWay = operations.filter((o) => isUnderWay(o, now));
  const parents = new Set(underWay.map((o) => o.parentId as string | undefined));
  for (const o of underWay) {
    // One that waits for others moves as they do; one that waits for a person says so.
    if ((o.state !== 'running' && o.state !== 'undoing') || parents.has(o.id)) continue;
    const patience =
      Math.max(timing.giveUpMillis, timing.undoGiveUpMillis) +
      (waits.get(o.serviceId ?? '') ?? 0) +
      MARGIN_MILLIS;
    const still = now - Math.max(lastMove(o), changed.get(o.serviceId ?? '') ?? 0);
    if (openOperations && still > patience)
      violations.push(
        `${o.id} is ${o.state} and has not moved for ${durationText(still)}: at ${currentStep(o)}`,
      );
  }
  // Each record is held against Temporal's list, and each of that list against the records.
  return { checked: openOperations ? operations.length + openOperations.size : 0, violations };
}

function lastMove({ createdAt, startedAt = createdAt, steps }: OperationRecord): number {
  return Math.max(startedAt, ...steps.map((s) => s.endedAt ?? s.startedAt));
}

const latest = (times: readonly number[]) => times.reduce((a, b) => Math.max(a, b), 0);

const currentStep = ({ steps }: OperationRecord) =>
  steps.find((s) => s.state === 'running' || s.state === 'undoing')?.name ?? 'no step';

/** How long the manifest of each service lets one step of one VEE wait. */
function longestWaits(vees: readonly VeeRecord[]): Map<string, number> {
  return new Map(
    [...groupBy(vees, (v) => v.serviceId as string)].map(([id, of]) => [
      id,
      Math.max(
        ...of.map(({ template: { readiness, stopGraceMillis, drain } }) =>
          Math.max(
            readiness.kind === 'exec' ? readiness.timeoutMillis : 0,
            stopGraceMillis + (drain?.timeoutMillis ?? 0),
          ),
        ),
      ),
    ]),
  );
}
