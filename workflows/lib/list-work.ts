import type { ServiceOperationInput } from '../../domain/operation/operation';
import type { ListedWork, Work } from '../../domain/service/batches';
import { site } from './activities';
import type { Operation } from './operation';
import { isPatched } from './patches';

/** What there is to do on the VEEs of an operation's service; told singly they come in the order of stopping. */
export async function listWork(operation: Operation, work: Exclude<Work, 'deploy'>): Promise<ListedWork> {
  const { operationId, serviceId } = operation.input as ServiceOperationInput;
  if (isPatched('batches'))
    return operation.step({ name: 'list', run: () => site.listWork({ operationId, serviceId, work }) });
  const groups = await operation.step({ name: 'list', run: () => site.listInStopOrder({ serviceId }) });
  return { kind: 'few', groups };
}
