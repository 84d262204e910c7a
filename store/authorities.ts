import type { Db } from 'mongodb';
import type { AuthorityTerms } from '../domain/security/authorities';
import { isDuplicateKey } from './connect';

export interface Authority extends AuthorityTerms {
  /** PEM, both; the key never leaves the site's own processes. */
  readonly certificate: string;
  readonly key: string;
  readonly createdAt: number;
}

/** What signs for the hosts of a site: a few documents, each known by its serial number. */
export function authorityRepository(db: Db) {
  const authorities = db.collection<Omit<Authority, 'serial'> & { _id: number }>('authorities');
  return {
    async all(): Promise<Authority[]> {
      const docs = await authorities.find().sort({ _id: 1 }).toArray();
      return docs.map(({ _id, ...rest }) => ({ serial: _id, ...rest }));
    },

    /** @returns false when there is one of that number: somebody else was first, and theirs counts */
    async add({ serial, ...rest }: Authority): Promise<boolean> {
      try {
        await authorities.insertOne({ _id: serial, ...rest });
        return true;
      } catch (error) {
        if (isDuplicateKey(error)) return false;
        throw error;
      }
    },

    async removeOlderThan(serial: number): Promise<void> {
      await authorities.deleteMany({ _id: { $lt: serial } });
    },
  };
}
