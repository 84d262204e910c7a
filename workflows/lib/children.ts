import type { SiteActivities } from '../../activities';
import { site, siteWait } from './activities';
import type { Steps } from './saga';

type Request = Parameters<SiteActivities['requestOperation']>[0];
export type ChildEnd = Awaited<ReturnType<SiteActivities['awaitOperation']>>;

/**
 * Asks for another operation as one step of this one, and waits for its end. It goes through the entity of its
 * subject like any other, so whatever holds that subject is respected. A cancel of this one cancels it.
 */
export function runChild(operation: Steps, name: string, call: Omit<Request, 'parentId'>): Promise<ChildEnd> {
  const { operationId: parentId } = operation.input;
  return operation.step({
    name,
    interruptible: true,
    undo: () => siteWait().cancelChild({ parentId, key: call.key }),
    run: async () => siteWait().awaitOperation(await site.requestOperation({ ...call, parentId })),
  });
}
