import type { Db, Filter } from 'mongodb';
import type { ImageId, TenantId } from '../domain/ids';
import { type ImageRecord, type ImageState, pinOf } from '../domain/images/model';
import { type PinnedImage, SITE_OWNER } from '../domain/images/reference';
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

    /** @returns false when it is not in that state any more */
    async remove(id: ImageId, from: ImageState): Promise<boolean> {
      return (await images.deleteOne({ _id: id, state: from })).deletedCount === 1;
    },

    /** Something of an upload has come. @returns false when it is none any more */
    async touch(id: ImageId, now: number): Promise<boolean> {
      const touched = await images.updateOne({ _id: id, state: 'uploading' }, { $set: { touchedAt: now } });
      return touched.matchedCount === 1;
    },

    /**
     * Takes it on, or goes on, to check what was uploaded.
     * @param mine until when it was taken on, by whom it is
     * @returns false when somebody else does it, or nobody is to
     */
    async claimCheck(id: ImageId, now: number, until: number, mine?: number): Promise<boolean> {
      const claimable: Filter<Stored<ImageRecord>> =
        mine === undefined
          ? { $or: [{ checkingUntil: { $exists: false } }, { checkingUntil: { $lt: now } }] }
          : { checkingUntil: mine };
      const claimed = await images.updateOne(
        { _id: id, state: 'uploading', ...claimable },
        { $set: { checkingUntil: until, touchedAt: now } },
      );
      return claimed.matchedCount === 1;
    },

    /** Uploads of which nothing has come since then: they are given up. */
    async forgetUploads(before: number): Promise<void> {
      await images.deleteMany({
        state: 'uploading',
        createdAt: { $lt: before },
        $or: [{ touchedAt: { $exists: false } }, { touchedAt: { $lt: before } }],
      });
    },

    /** Of these, those that are being uploaded. */
    async uploading(ids: readonly ImageId[]): Promise<ReadonlySet<ImageId>> {
      const docs = await images.find({ _id: { $in: [...ids] }, state: 'uploading' }).toArray();
      return new Set(docs.map((d) => d._id as ImageId));
    },

    /** @returns false when it can't be used (any more) */
    async hold({ owner, name, digest }: PinnedImage, by: string, until: number): Promise<boolean> {
      const held = await images.updateOne({ owner, name, digest, state: 'ready' }, {
        $push: { holds: { by, until } },
      } as never);
      return held.matchedCount === 1;
    },

    async letGo(by: string, held: readonly PinnedImage[]): Promise<void> {
      for (const { owner, name, digest } of held)
        await images.updateOne({ owner, name, digest }, { $pull: { holds: { by } } } as never);
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
