import { CancellationScope, defineSignal, setHandler } from '@temporalio/workflow';
import type { HostId } from '../../domain/ids';
import type { BatchRef } from '../../domain/service/batches';
import { FENCED_SIGNAL } from '../../domain/service/messages';
import { asFailure, type TakeBackInput } from '../lib/batch';
import { Children, MOST_BATCHES_AT_ONCE } from '../lib/batches';
import { Fences } from '../lib/fences';
import { inParallel } from '../lib/parallel';

/**
 * Takes back all that an operation had begun in batches. Repeating it finds less and less to do. It stops at the
 * first wave that can't be taken back: what lies below relies on it being gone.
 */
export async function takeBackBatches({ operation, worklistId, type, waves }: TakeBackInput): Promise<void> {
  const fences = new Fences({ sinceEver: true });
  setHandler(defineSignal<[HostId]>(FENCED_SIGNAL), (hostId) => fences.raise(hostId));
  const children = new Children(fences, operation);
  const one = (batch: BatchRef) =>
    children.run(type, batch.number, { operation, worklistId, batch }, batch.label);
  await CancellationScope.nonCancellable(async () => {
    try {
      for (const wave of waves) await inParallel(wave, one, MOST_BATCHES_AT_ONCE);
    } catch (error) {
      throw asFailure(error);
    }
  });
}
