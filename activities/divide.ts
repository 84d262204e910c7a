import type { OperationId } from '../domain/ids';
import { type BatchPlan, layOut, toPlan, type WorkItem } from '../domain/service/batches';
import type { PlannedVee } from '../domain/service/deployment';
import type { SiteDeps } from './deps';

type Divisible = WorkItem & Pick<PlannedVee, 'component' | 'index'>;

/** Divides work into batches, once: a repeat gets the first answer, for batches of it may be under way. */
export async function divide(
  { store, now, batchSize }: SiteDeps,
  operationId: OperationId,
  name: string,
  levels: readonly (readonly Divisible[])[],
): Promise<BatchPlan> {
  const waves = layOut(levels, batchSize).map((wave) =>
    wave.map(({ label, groups }) => ({
      label,
      groups: groups.map((group) => group.map(({ veeId, verb }) => ({ veeId, ...(verb ? { verb } : {}) }))),
    })),
  );
  const list = await store.worklists.put({
    id: `${operationId}/${name}`,
    operationId,
    createdAt: now(),
    waves,
  });
  return toPlan(list.id, list.waves);
}
