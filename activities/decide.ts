import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { makeBlueprintId, type OperationId } from '../domain/ids';
import type { Blueprint, PlacementRequest } from '../domain/placement/model';
import { plan } from '../domain/placement/plan';
import { refusalSummary } from '../domain/placement/refusal-summary';
import { takeSnapshot } from '../store/snapshot';
import type { SiteDeps } from './deps';

/**
 * Plans once under an id that is derived from the operation and which of its plans this is: a repeat gets the
 * first answer.
 * @throws SluiceError `placement-infeasible`
 */
export async function decide(
  { store, now, placementPolicy }: Pick<SiteDeps, 'store' | 'now' | 'placementPolicy'>,
  operationId: OperationId,
  request: PlacementRequest,
  ...which: readonly (string | number)[]
): Promise<Blueprint> {
  const blueprintId = makeBlueprintId(derivedEntropy(operationId, 'blueprint', ...which));
  const kept = await store.blueprints.get(blueprintId);
  const at = now();
  const answer =
    kept ??
    plan(await takeSnapshot(store, at), request, placementPolicy, {
      now: at,
      seed: operationId,
      blueprintId,
      operationId,
    });
  if (answer.kind === 'blueprint') return store.blueprints.put(answer);
  await store.blueprints.put({ ...answer, id: blueprintId, operationId, createdAt: at });
  throw new SluiceError('placement-infeasible', refusalSummary(answer));
}
