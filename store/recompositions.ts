import type { Db } from 'mongodb';
import type { OperationId, ServiceId } from '../domain/ids';
import type { Recomposition } from '../domain/service/recompose';
import { fromStored, type Stored, toStored } from './documents';

/** How an operation re-composes a service, as it was decided. Too large for a workflow, which carries its id. */
export interface RecompositionRecord
  extends Pick<Recomposition, 'members' | 'creations' | 'waves' | 'instances'> {
  readonly id: OperationId;
  readonly serviceId: ServiceId;
  readonly createdAt: number;
}

export function recompositionRepository(db: Db) {
  const recompositions = db.collection<Stored<RecompositionRecord>>('recompositions');
  return {
    /** The first plan of an operation stays: a repeated planning step must not change what others act on. */
    async put(record: RecompositionRecord): Promise<RecompositionRecord> {
      const { _id, ...rest } = toStored(record);
      const doc = await recompositions.findOneAndUpdate(
        { _id },
        { $setOnInsert: rest as never },
        { upsert: true, returnDocument: 'after' },
      );
      return doc ? fromStored<RecompositionRecord>(doc as Stored<RecompositionRecord>) : record;
    },

    async get(id: OperationId): Promise<RecompositionRecord | undefined> {
      const doc = await recompositions.findOne({ _id: id });
      return doc ? fromStored<RecompositionRecord>(doc as Stored<RecompositionRecord>) : undefined;
    },
  };
}
