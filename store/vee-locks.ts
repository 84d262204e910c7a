import type { Collection } from 'mongodb';
import { SluiceError } from '../domain/errors';
import type { OperationId, VeeId } from '../domain/ids';
import { nextState, requestableVerbs, type VeeVerb } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import { plain, type StoredVee } from './vee-commits';

export interface WantedTransition {
  readonly veeId: VeeId;
  readonly verb: VeeVerb;
}

type HasEnded = (holder: OperationId) => Promise<boolean>;

export function veeLocks(vees: Collection<StoredVee>) {
  return {
    /**
     * Takes the locks of several VEEs for an operation, each by one conditional write: the transition is legal, and
     * no other operation is under way. A lock that was left by one that was given up is taken over. Repeating it
     * is a success, also after some of it was done.
     * @throws SluiceError `not-found`, `transition-illegal`, `operation-in-progress`, `conflict`
     */
    async beginTransitions(
      wanted: readonly WantedTransition[],
      operationId: OperationId,
      now: number,
      hasEnded: HasEnded,
    ): Promise<VeeRecord[]> {
      const found = await vees.find({ _id: { $in: wanted.map((w) => w.veeId) } }).toArray();
      const byId = new Map(found.map((v) => [v._id, v]));
      const current = wanted.map(({ veeId }) => {
        const vee = byId.get(veeId);
        if (!vee) throw new SluiceError('not-found', `There is no VEE ${veeId}.`);
        return vee;
      });
      await refuseHeld(current, operationId, hasEnded);
      const writes = wanted.flatMap(({ veeId, verb }, i) => {
        const vee = current[i];
        if (!vee || vee.transition?.operationId === operationId) return [];
        if (nextState(vee.state, verb) === undefined) throw illegalTransition(plain(vee), verb);
        return {
          updateOne: {
            filter: { _id: veeId as string, generation: vee.generation },
            update: {
              $set: { transition: { verb, operationId, since: now }, updatedAt: now },
              $inc: { generation: 1 },
            },
          },
        };
      });
      if (writes.length === 0) return current.map(plain);
      await vees.bulkWrite(writes, { ordered: false });
      const after = await vees.find({ _id: { $in: wanted.map((w) => w.veeId) } }).toArray();
      const lost = after.find((v) => v.transition?.operationId !== operationId);
      if (lost) throw new SluiceError('conflict', `${lost._id} changed while it was being locked.`);
      const locked = new Map(after.map((v) => [v._id, plain(v)]));
      return wanted.flatMap(({ veeId }) => locked.get(veeId) ?? []);
    },

    /** Gives locks back without a change; does nothing where this operation does not hold them. */
    async abandonTransitions(ids: readonly VeeId[], operationId: OperationId, now: number): Promise<void> {
      await vees.updateMany(
        { _id: { $in: [...ids] }, 'transition.operationId': operationId },
        { $set: { transition: null, updatedAt: now }, $inc: { generation: 1 } },
      );
    },
  };
}

async function refuseHeld(
  vees: readonly StoredVee[],
  operationId: OperationId,
  hasEnded: HasEnded,
): Promise<void> {
  const over = new Set<OperationId>();
  for (const { _id, transition } of vees) {
    if (!transition || transition.operationId === operationId || over.has(transition.operationId)) continue;
    if (!(await hasEnded(transition.operationId)))
      throw new SluiceError('operation-in-progress', `${_id} is held by ${transition.operationId}.`);
    over.add(transition.operationId);
  }
}

export function illegalTransition(vee: VeeRecord, verb: VeeVerb): SluiceError {
  const legal = requestableVerbs(vee.state);
  return new SluiceError(
    'transition-illegal',
    `${vee.id} is ${vee.state}: ${verb} is not possible. Legal: ${legal.join(', ') || 'none'}.`,
    { members: { state: vee.state, legal } },
  );
}
