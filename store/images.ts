import type { Db, Filter } from 'mongodb';
import type { ImageId, TenantId } from '../domain/ids';
import { type ImageRecord, type ImageState, pinOf } from '../domain/images/model';
import { SITE_OWNER } from '../domain/images/reference';
import type { Manifest } from '../domain/manifest/schema';
import { fromStored, type Stored, toStored } from './documents';

/** So many are named of what uses an image. */
const MOST_USERS = 20;

export interface ImageUser {
  readonly tenantId: TenantId;
  readonly what: string;
}

/** The registry's records: a document is one version of one image. */
export function imageRepository(db: Db) {
  const images = db.collection<Stored<ImageRecord>>('images');
  const told = (docs: readonly Stored<ImageRecord>[]) => docs.map((d) => fromStored<ImageRecord>(d));

  return {
    async get(id: ImageId): Promise<ImageRecord | undefined> {
      const doc = await images.findOne({ _id: id });
      return doc ? fromStored<ImageRecord>(doc) : undefined;
    },

    /** What a tenant may use or has begun, or all there is; newest first. */
    async visibleTo(tenantId: TenantId | undefined): Promise<ImageRecord[]> {
      const whose: Filter<Stored<ImageRecord>> =
        tenantId === undefined
          ? {}
          : { $or: [{ owner: { $in: [tenantId, SITE_OWNER] } }, { sharedWith: tenantId }] };
      return told(await images.find(whose).sort({ createdAt: -1, _id: -1 }).toArray());
    },

    named: async (names: readonly string[]): Promise<ImageRecord[]> =>
      told(await images.find({ name: { $in: [...names] }, state: 'ready' }).toArray()),

    /** @returns the one that is there already when it is the same content under the same name */
    async create(image: ImageRecord): Promise<ImageRecord> {
      const { owner, name, digest } = image;
      const { id: _id, ...rest } = image;
      const doc = await images.findOneAndUpdate(
        { owner, name, digest },
        { $setOnInsert: toStored({ id: _id, ...rest }) as never },
        { upsert: true, returnDocument: 'after' },
      );
      return doc ? fromStored<ImageRecord>(doc) : image;
    },

    /** @returns undefined when it is not in that state any more */
    async change(
      id: ImageId,
      from: ImageState,
      to: Partial<Pick<ImageRecord, 'state' | 'virtualBytes' | 'deprecated'>>,
    ): Promise<ImageRecord | undefined> {
      const doc = await images.findOneAndUpdate(
        { _id: id, state: from },
        { $set: to },
        { returnDocument: 'after' },
      );
      return doc ? fromStored<ImageRecord>(doc) : undefined;
    },

    async share(
      id: ImageId,
      tenants: readonly TenantId[],
      shared: boolean,
    ): Promise<ImageRecord | undefined> {
      const change = shared
        ? { $addToSet: { sharedWith: { $each: [...tenants] } } }
        : { $pull: { sharedWith: { $in: [...tenants] } } };
      const doc = await images.findOneAndUpdate({ _id: id, state: 'ready' }, change as never, {
        returnDocument: 'after',
      });
      return doc ? fromStored<ImageRecord>(doc) : undefined;
    },

    async remove(id: ImageId): Promise<void> {
      await images.deleteOne({ _id: id });
    },

    /** Services that are not over and whose manifest has it, or is to have it, and VEEs that live from it. */
    async usersOf(image: ImageRecord): Promise<ImageUser[]> {
      const text = pinOf(image);
      const manifests = await db
        .collection<{ _id: string; manifest: Manifest }>('manifests')
        .find({ 'manifest.components.image': text }, { projection: { _id: 1 } })
        .toArray();
      const digests = manifests.map((m) => m._id);
      const limit = MOST_USERS;
      const [services, asked, vees] = await Promise.all([
        db
          .collection('services')
          .find({
            phase: { $ne: 'decommissioned' },
            $or: [{ manifestDigest: { $in: digests } }, { 'recomposition.manifestDigest': { $in: digests } }],
          })
          .limit(limit)
          .toArray(),
        db
          .collection('operations')
          .find({ 'params.manifestDigest': { $in: digests }, endedAt: { $exists: false } })
          .limit(limit)
          .toArray(),
        db
          .collection('vees')
          .find({ 'template.image': text, state: { $ne: 'DESTROYED' } })
          .limit(limit)
          .toArray(),
      ]);
      return [
        ...services.map((s) => ({ tenantId: s.tenantId as TenantId, what: `service ${s.name}` })),
        ...asked.map((o) => ({ tenantId: o.tenantId as TenantId, what: `operation ${o._id}` })),
        ...vees.map((v) => ({ tenantId: v.tenantId as TenantId, what: `VEE ${v._id}` })),
      ];
    },
  };
}
