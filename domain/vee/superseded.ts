import type { HostId, OperationId } from '../ids';
import type { VeeRecord } from './vee';

/** What is recorded of a VEE, as far as it says which of its copies counts. */
export type Standing = Pick<VeeRecord, 'epoch' | 'state' | 'hostId' | 'transition' | 'updatedAt'>;

/** Has the operation ended that holds a VEE? One that was given up leaves its lock behind. */
type HasEnded = (holder: OperationId) => boolean;

/**
 * - `counts`: it is the one that is recorded, or may become it;
 * - `superseded`: it was made anew elsewhere or ended, and must be ended where it still is;
 * - `unsettled`: on a host that was fenced, and of an operation that has not heard of that yet.
 */
export type CopyVerdict = 'counts' | 'superseded' | 'unsettled';

/**
 * Does a copy that a host reports still count? A newer epoch or an end on record says no. On a host that was fenced
 * that is not all: what moved there in the very moment when it was cut off has a newer epoch than is recorded, and its
 * operation, told that nothing runs there any more, has left it where it came from.
 * @param reportedAt a record that is younger than the report is not judged by it
 */
export function verdictOnCopy(
  copy: { readonly epoch: number; readonly hostId: HostId; readonly onFencedHost: boolean },
  record: Standing | undefined,
  reportedAt: number,
  hasEnded: HasEnded,
): CopyVerdict {
  if (!record) return 'counts';
  if (record.updatedAt >= reportedAt) return copy.onFencedHost ? 'unsettled' : 'counts';
  if (record.epoch > copy.epoch) return 'superseded';
  if (record.state === 'DESTROYED' && record.epoch >= copy.epoch) return 'superseded';
  if (!copy.onFencedHost || record.hostId === copy.hostId) return 'counts';
  if (!record.transition) return 'superseded';
  // Of one that was given up nobody knows how far it came: looking for drift decides, and nothing is ended here.
  return hasEnded(record.transition.operationId) ? 'counts' : 'unsettled';
}
