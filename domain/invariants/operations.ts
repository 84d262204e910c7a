import { durationText } from '../duration';
import { groupBy } from '../group-by';
import { hasEnded } from '../operation/operation';
import { isPassing } from '../service/service';
import { isUnderWay, SETTLED_MILLIS, START_GRACE_MILLIS, type SystemState } from './model';

export function operationsEnd({ operations, openOperations, services, vees, now }: SystemState) {
  const violations: string[] = [];
  const byId = new Map(operations.map((o) => [o.id as string, o]));
  for (const o of operations) {
    if (hasEnded(o)) {
      if (o.state === 'stuck' && !o.stuck) violations.push(`${o.id} is stuck without a reason`);
    } else if (o.state === 'queued') {
      const waited = o.behind?.map((id) => byId.get(id)).filter((b) => b && !hasEnded(b)) ?? [];
      if (waited.length === 0 && now - o.createdAt > START_GRACE_MILLIS)
        violations.push(`${o.id} is queued behind nothing that runs`);
    } else if (o.state === 'pending') {
      if (now - o.createdAt > START_GRACE_MILLIS)
        violations.push(`${o.id} was recorded ${durationText(now - o.createdAt)} ago and never started`);
    } else if (
      openOperations &&
      !openOperations.has(o.id) &&
      now - (o.startedAt ?? o.createdAt) > SETTLED_MILLIS
    ) {
      violations.push(`${o.id} is recorded ${o.state}, but no workflow carries it`);
    }
  }
  for (const v of vees) {
    const op = v.transition && byId.get(v.transition.operationId);
    if (v.transition && !(op && isUnderWay(op, now)))
      violations.push(`${v.id} is left in transition by ${v.transition.operationId}`);
  }
  for (const s of services) {
    if (!isPassing(s.phase)) continue;
    if (!operations.some((o) => o.serviceId === s.id && (isUnderWay(o, now) || o.state === 'stuck')))
      violations.push(`${s.id} is left ${s.phase} with no operation under way`);
  }
  return { checked: operations.length, violations };
}

/** What was answered under a key is there, and was made once. */
export function keysOnce({ idempotencyKeys, operations }: SystemState) {
  const known = new Set(operations.map((o) => o.id as string));
  const violations = idempotencyKeys
    .filter((k) => k.answeredOperationId !== undefined && !known.has(k.answeredOperationId))
    .map((k) => `a key was answered with ${k.answeredOperationId}, which does not exist`);
  const provisioned = groupBy(
    operations.filter((o) => o.kind === 'service.provision'),
    (o) => o.serviceId,
  );
  for (const [serviceId, of] of provisioned)
    if (of.length > 1) violations.push(`${serviceId} was provisioned ${of.length} times`);
  return { checked: idempotencyKeys.length + provisioned.size, violations };
}
