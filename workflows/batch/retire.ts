import type { VeeId } from '../../domain/ids';
import { site } from '../lib/activities';
import { type BatchInput, runBatch } from '../lib/batch';
import { Gathering } from '../lib/gathering';
import { retireVee } from '../lib/retire';

/** Ends the VEEs of a batch for good. Run again after a failure, it finds those that are left. */
export function retireBatch(input: BatchInput): Promise<void> {
  const { operationId } = input.operation;
  const retirements = new Gathering<VeeId>((veeIds) => site.retireVees({ operationId, veeIds }));
  return runBatch(input, {}, async (batch, { groups, drains, gone }) => {
    const veeIds = gone.map((v) => v.veeId);
    // The earlier run may have ended between the record and what the VEE held.
    if (gone.length > 0)
      await batch.step({ name: 'retire again', run: () => site.retireVees({ operationId, veeIds }) });
    await batch.each(groups, (vee) => {
      const drain = vee.state === 'ACTIVE' ? drains[vee.component] : undefined;
      return retireVee(batch, { ...vee, ...(drain ? { drain } : {}) }, (veeId) => retirements.add(veeId));
    });
  });
}
