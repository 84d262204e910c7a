import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';

export const cancelledSend = (cause?: unknown) =>
  new SluiceError('driver-failed', 'The migration was cancelled.', { cause });

/** What is being sent from this host, so that what takes it back need not wait for its end. */
export class Sends {
  private readonly under = new Map<VeeId, Set<AbortController>>();

  /**
   * @param cancelled the caller's own way to end it
   * @param send not begun if it is cancelled before `when` lets it begin
   */
  async during<T>(
    veeId: VeeId,
    cancelled: AbortSignal | undefined,
    when: (begin: () => Promise<T>) => Promise<T>,
    send: (ended: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const mine = new AbortController();
    const all = this.under.get(veeId) ?? new Set();
    this.under.set(veeId, all.add(mine));
    try {
      const ended = cancelled ? AbortSignal.any([mine.signal, cancelled]) : mine.signal;
      return await when(async () => {
        if (ended.aborted) throw cancelledSend();
        return send(ended);
      });
    } finally {
      all.delete(mine);
      if (all.size === 0 && this.under.get(veeId) === all) this.under.delete(veeId);
    }
  }

  /** Also those that have not had their turn yet. */
  abort(veeId: VeeId): void {
    for (const send of this.under.get(veeId) ?? []) send.abort();
  }
}
