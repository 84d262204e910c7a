import { updatePolicyOf } from '../manifest/policies';
import type { PlanContext } from '../placement/model';
import { decideRecomposition, type RecompositionQuestion } from './rehearsal';

/**
 * What would be enough for a re-composition that has no place: what replaces another needs room, devices and licences beside
 * it, unless the old one goes first. Each goes on after "it would fit".
 */
export function recompositionRemedies(
  question: RecompositionQuestion,
  context: Pick<PlanContext, 'now' | 'operationId'>,
): string[] {
  const update = updatePolicyOf(question.wanted);
  if (update.maxSurge === 0) return [];
  const most = Math.max(1, update.maxUnavailable);
  const wanted = { ...question.wanted, update: { ...update, maxUnavailable: most, maxSurge: 0 } };
  const planned = decideRecomposition({ ...question, wanted }, context);
  if (planned.kind !== 'planned' || planned.played.kind !== 'feasible') return [];
  return [`with update.maxUnavailable ${most} and maxSurge 0: the old one goes before the new one comes`];
}
