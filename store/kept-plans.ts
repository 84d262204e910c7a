import type { Collection } from 'mongodb';
import type { OperationId } from '../domain/ids';
import { fromStored, type Stored, toStored } from './documents';

/** Plans under the id of the operation that carries them out: too large for a workflow, which carries that id instead. */
export function keptPlans<T extends { readonly id: OperationId; readonly createdAt: number }>(
  plans: Collection<Stored<T>>,
) {
  return {
    /** The first plan of an operation stays: a repeated planning step must not change what others act on. */
    async put(plan: T): Promise<T> {
      const { _id, ...rest } = toStored(plan);
      const doc = await plans.findOneAndUpdate(
        { _id } as never,
        { $setOnInsert: rest as never },
        { upsert: true, returnDocument: 'after' },
      );
      return doc ? fromStored<T>(doc as Stored<T>) : plan;
    },

    async get(id: OperationId): Promise<T | undefined> {
      const doc = await plans.findOne({ _id: id } as never);
      return doc ? fromStored<T>(doc as Stored<T>) : undefined;
    },

    /** Those that were decided since then. */
    async since(createdAt: number): Promise<T[]> {
      const docs = await plans.find({ createdAt: { $gte: createdAt } } as never).toArray();
      return docs.map((d) => fromStored<T>(d as Stored<T>));
    },
  };
}
