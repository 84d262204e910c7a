import type { Collection, Document, Filter } from 'mongodb';
import { SluiceError } from '../domain/errors';

/** A record as stored: its id is MongoDB's `_id`. */
export type Stored<T extends { readonly id: string }> = Omit<T, 'id'> & { _id: string };

export function toStored<T extends { readonly id: string }>(record: T): Stored<T> {
  const { id, ...rest } = record;
  return { _id: id, ...rest };
}

export function fromStored<T extends { readonly id: string }>(doc: Stored<T>): T {
  const { _id, ...rest } = doc;
  return { id: _id, ...rest } as unknown as T;
}

export interface Page<T> {
  readonly items: T[];
  /** Pass it back as `cursor` for what follows; absent at the end. */
  readonly nextCursor?: string;
}

export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/**
 * A page in descending order of `sortField`, then of id. The cursor holds the last row's place, so rows
 * that arrive in between neither repeat nor hide others.
 * @throws SluiceError `request-invalid` for a cursor that was not made here
 */
export async function findPage<T extends { readonly id: string }>(
  collection: Collection<Stored<T>>,
  filter: Filter<Stored<T>>,
  sortField: string,
  { limit, cursor }: PageRequest,
): Promise<Page<T>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
  const from: Document = after
    ? { $or: [{ [sortField]: { $lt: after.value } }, { [sortField]: after.value, _id: { $lt: after.id } }] }
    : {};
  const docs = (await collection
    .find({ $and: [filter, from] } as Filter<Stored<T>>)
    .sort({ [sortField]: -1, _id: -1 })
    .limit(limit + 1)
    .toArray()) as Stored<T>[];
  const items = docs.slice(0, limit).map((d) => fromStored<T>(d));
  const last = docs[limit - 1] as Document | undefined;
  return docs.length > limit && last
    ? { items, nextCursor: encodeCursor({ value: last[sortField], id: last._id }) }
    : { items };
}

interface Place {
  readonly value: number | string;
  readonly id: string;
}

const encodeCursor = (place: Place) => Buffer.from(JSON.stringify(place)).toString('base64url');

function decodeCursor(cursor: string): Place {
  try {
    const { value, id } = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as Record<string, unknown>;
    if ((typeof value === 'number' || typeof value === 'string') && typeof id === 'string')
      return { value, id };
  } catch {
    // Not JSON: as wrong as JSON of another shape.
  }
  throw new SluiceError('request-invalid', '/query/cursor: take it from `nextCursor` as it is', {
    pointer: '/query/cursor',
  });
}
