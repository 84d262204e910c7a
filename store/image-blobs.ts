import { Binary, type Db, GridFSBucket } from 'mongodb';
import type { ImageId } from '../domain/ids';
import { isDuplicateKey } from './connect';

const BUCKET = 'imageBlobs';
/** Of one document; also what is lost at most when an upload is cut. */
export const CHUNK_BYTES = 1_048_576;

interface Chunk {
  readonly files_id: string;
  readonly n: number;
  readonly data: Binary;
}

/** `filename` is the content's SHA-256: one blob for all images of that content, for as long as any of them names it. */
interface BlobFile {
  readonly _id: string;
  readonly length: number;
  readonly chunkSize: number;
  readonly uploadDate: Date;
  readonly filename: string;
  readonly metadata: { readonly images: readonly ImageId[] };
}

/**
 * The contents of images, in GridFS: replicated as all records are. An upload writes chunks as GridFS does, under its
 * own id, so that it can go on after any cut; the file's document comes last, when its digest was proven.
 */
export function imageBlobRepository(db: Db) {
  const chunks = db.collection<Chunk>(`${BUCKET}.chunks`);
  const files = db.collection<BlobFile>(`${BUCKET}.files`);
  const bucket = new GridFSBucket(db, { bucketName: BUCKET });

  async function* readChunks(id: string): AsyncGenerator<Uint8Array> {
    const cursor = chunks.find({ files_id: id }).sort({ n: 1 });
    for await (const { data } of cursor) yield data.buffer.subarray(0, data.length());
  }

  return {
    /** How many bytes of an upload are there, from its beginning without a gap. */
    async uploadedBytes(id: ImageId): Promise<number> {
      const [last] = await chunks
        .aggregate<{ n: number; bytes: number }>([
          { $match: { files_id: id } },
          { $sort: { n: -1 } },
          { $limit: 1 },
          { $project: { n: 1, bytes: { $binarySize: '$data' } } },
        ])
        .toArray();
      return last ? last.n * CHUNK_BYTES + last.bytes : 0;
    },

    /**
     * Adds to an upload, from where it is. What does not fill a chunk is kept only at its very end: the rest is sent again.
     * @returns false when somebody else adds to it as well
     */
    async append(
      id: ImageId,
      fromByte: number,
      sizeBytes: number,
      content: AsyncIterable<Uint8Array>,
    ): Promise<boolean> {
      let n = fromByte / CHUNK_BYTES;
      let written = fromByte;
      let pending: Uint8Array[] = [];
      let bytes = 0;
      const put = async (data: Buffer) => {
        await chunks.insertOne({ files_id: id, n: n++, data: new Binary(data) });
        written += data.length;
      };
      try {
        for await (const part of content) {
          pending.push(part);
          bytes += part.length;
          if (bytes < CHUNK_BYTES) continue;
          let whole = Buffer.concat(pending);
          for (; whole.length >= CHUNK_BYTES; whole = whole.subarray(CHUNK_BYTES))
            await put(whole.subarray(0, CHUNK_BYTES));
          pending = [whole];
          bytes = whole.length;
        }
        if (bytes > 0 && written + bytes >= sizeBytes) await put(Buffer.concat(pending));
        return true;
      } catch (error) {
        if (isDuplicateKey(error)) return false;
        throw error;
      }
    },

    readUpload: (id: ImageId) => readChunks(id),
    /** Unless it has become a blob, which others may use by now. */
    dropUpload: async (id: ImageId): Promise<void> => {
      if (!(await files.findOne({ _id: id }))) await chunks.deleteMany({ files_id: id });
    },

    /** What was uploaded becomes the blob of its digest, unless there is one: then that is used, and the upload is left to be dropped. */
    async keep(id: ImageId, digest: string, sizeBytes: number, now: number): Promise<void> {
      if (await this.use(id, digest)) return;
      try {
        await files.insertOne({
          ...{ _id: id, length: sizeBytes, chunkSize: CHUNK_BYTES, uploadDate: new Date(now) },
          ...{ filename: digest, metadata: { images: [id] } },
        });
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        await this.keep(id, digest, sizeBytes, now);
      }
    },

    /** @returns false when there is no such blob (any more) */
    async use(id: ImageId, digest: string): Promise<boolean> {
      const result = await files.updateOne({ filename: digest }, {
        $addToSet: { 'metadata.images': id },
      } as never);
      return result.matchedCount === 1;
    },

    /** When no image is left that uses it, it goes. */
    async release(id: ImageId, digest: string): Promise<void> {
      await files.updateOne({ filename: digest }, { $pull: { 'metadata.images': id } } as never);
      const gone = await files.findOneAndDelete({
        filename: digest,
        'metadata.images': { $size: 0 },
      } as never);
      if (gone) await chunks.deleteMany({ files_id: gone._id });
    },

    /**
     * Chunks that are of no upload and of no blob: of what was cut in the middle of its removal, or came after it.
     * @param uploading tells of some ids which are being uploaded. It is asked first: one that has become a blob is a file by then
     */
    async sweep(uploading: (ids: readonly ImageId[]) => Promise<ReadonlySet<ImageId>>): Promise<void> {
      const ids = (await chunks.distinct('files_id')) as ImageId[];
      const wanted = await uploading(ids);
      const kept = new Set((await files.find({}, { projection: { _id: 1 } }).toArray()).map((f) => f._id));
      const abandoned = ids.filter((id) => !wanted.has(id) && !kept.has(id));
      if (abandoned.length > 0) await chunks.deleteMany({ files_id: { $in: abandoned } });
    },

    /** Of a blob that is whole: how large. */
    async sizeOf(digest: string): Promise<number | undefined> {
      return (await files.findOne({ filename: digest }))?.length;
    },

    /** @param end one beyond the last byte */
    read: (digest: string, start: number, end: number) =>
      bucket.openDownloadStreamByName(digest, { start, end }),
  };
}

export type ImageBlobs = ReturnType<typeof imageBlobRepository>;
