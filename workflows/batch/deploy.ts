import { ApplicationFailure } from '@temporalio/workflow';
import type { VeeId } from '../../domain/ids';
import type { BatchContents, BatchVee } from '../../domain/service/batches';
import { on } from '../../domain/service/deployment';
import { site } from '../lib/activities';
import { type BatchInput, runBatch } from '../lib/batch';
import { makeVee, type VeeToMake } from '../lib/deploy';
import { Gathering } from '../lib/gathering';

/** Makes the VEEs of a batch run. */
export function deployBatch(input: BatchInput): Promise<void> {
  const { operationId } = input.operation;
  const activations = new Gathering<VeeId>((veeIds) => site.activateVees({ operationId, veeIds }));
  return runBatch(input, { withTemplates: true }, (batch, contents) =>
    batch.each(contents.groups, (vee) =>
      makeVee(batch, toMake(input, contents, vee), (veeId) => activations.add(veeId)),
    ),
  );
}

/** Ends what `deployBatch` made of a batch, however far it came. Their records are closed by the operation. */
export function takeBackDeployment(input: BatchInput): Promise<void> {
  return runBatch(input, { withTemplates: true }, (batch, contents) =>
    batch.each([...contents.groups].reverse(), (vee) =>
      batch.takeBack((steps) => makeVee(steps, toMake(input, contents, vee), async () => undefined)),
    ),
  );
}

export function toMake(
  { operation }: BatchInput,
  { templates, networks }: BatchContents,
  vee: BatchVee,
): VeeToMake {
  const { tenantId, serviceId } = operation;
  const template = templates[vee.component];
  if (!template)
    throw ApplicationFailure.nonRetryable(`The batch is not whole for ${vee.component}.`, 'internal');
  return { ...vee, tenantId, serviceId, template, ...on(networks?.[vee.veeId]) };
}
