import type { VeeId } from '../../domain/ids';
import type { TransferOffer, VeeRef } from '../contract';
import type { Meeting } from '../lib/secure-channel';
import { DiskReceiver } from './transfer';

interface Awaited {
  readonly receiver: DiskReceiver;
  readonly offer: TransferOffer;
  readonly epoch: number;
}

/** What a host awaits from others, one disk a VEE. */
export class DiskReceivers {
  private readonly awaited = new Map<VeeId, Awaited>();

  /** The same for the same epoch; an attempt before it is not awaited any more. */
  async await({ veeId, epoch }: VeeRef, folder: string, address: string, meeting: Meeting) {
    const waiting = this.awaited.get(veeId);
    if (waiting?.epoch === epoch) return waiting.offer;
    await this.stop(veeId);
    const receiver = new DiskReceiver(folder);
    const offer = await receiver.listen(address, meeting);
    this.awaited.set(veeId, { receiver, offer, epoch });
    return offer;
  }

  async stop(veeId: VeeId): Promise<void> {
    const waiting = this.awaited.get(veeId);
    this.awaited.delete(veeId);
    await waiting?.receiver.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.awaited.keys()].map((veeId) => this.stop(veeId)));
  }
}
