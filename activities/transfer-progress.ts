import type { Context } from '@temporalio/activity';
import type { VeeId } from '../domain/ids';
import type { TransferProgress } from '../drivers/contract';

/** What each running activity would have told with its heartbeats: Temporal keeps the latest, outside of histories. */
const told = new WeakMap<Context, TransferProgress & { readonly veeId: VeeId }>();

export const tellProgress = (context: Context, veeId: VeeId, progress: TransferProgress): void => {
  told.set(context, { veeId, ...progress });
};

export const sendHeartbeat = (context: Context): void => context.heartbeat(told.get(context));
