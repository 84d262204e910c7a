import type { Db } from 'mongodb';
import type { Batch, WorkItem, Worklist } from '../domain/service/batches';
import { fromStored, type Stored, toStored } from './documents';

export function worklistRepository(db: Db) {
  const worklists = db.collection<Stored<Worklist>>('worklists');
  return {
    /** The first list under an id stays: batches of it may be under way. @returns that list */
    async put(list: Worklist): Promise<Worklist> {
      const { _id, ...rest } = toStored(list);
      const before = await worklists.findOneAndUpdate(
        { _id },
        { $setOnInsert: rest },
        { upsert: true, returnDocument: 'before' },
      );
      return before ? fromStored<Worklist>(before) : list;
    },

    /** @param number counts through all waves, from 0 */
    async batch(id: string, number: number): Promise<Batch<WorkItem> | undefined> {
      const doc = await worklists.findOne({ _id: id });
      return doc?.waves.flat()[number];
    },
  };
}
