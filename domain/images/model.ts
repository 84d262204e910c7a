import type { AgentId, ImageId, TenantId } from '../ids';
import type { Capacity } from '../units';
import { type ImageFormat, type ImageReference, type PinnedImage, pinnedText, SITE_OWNER } from './reference';
import { type WarmFacts, warmMismatch } from './warm';

/** `uploading`: parts of it may be there. `removing`: nothing new may begin to use it, while who uses it is looked for. */
export type ImageState = 'uploading' | 'ready' | 'removing';

/** One version of an image: a name may have several, told apart by their digests. */
export interface ImageRecord {
  readonly id: ImageId;
  /** A tenant, or `site`. */
  readonly owner: string;
  readonly name: string;
  /** SHA-256 of the content, in hex. */
  readonly digest: string;
  readonly format: ImageFormat;
  readonly sizeBytes: number;
  /** Of the disk that it is an image of, or of what it unpacks to; known when it is ready. */
  readonly virtualBytes?: number;
  readonly leastMemoryMiB?: number;
  readonly leastDiskMiB?: number;
  /** Of a warm one, from when it is asked for. */
  readonly warm?: WarmFacts;
  /** Which agent uploads it, where it is one that does. */
  readonly uploader?: AgentId;
  readonly sharedWith: readonly TenantId[];
  readonly deprecated: boolean;
  readonly state: ImageState;
  readonly createdAt: number;
  /** Of an upload: when something of it came last. */
  readonly touchedAt?: number;
  /** Somebody reads all of what was uploaded, and says so until then at least. */
  readonly checkingUntil?: number;
  /** Requests that are about to record that they use it. */
  readonly holds?: readonly { readonly by: string; readonly until: number }[];
}

/** The largest that is taken, in bytes. */
export const MOST_IMAGE_BYTES = 64 * 1_024 ** 3;
const BYTES_PER_MIB = 1_048_576;

export const ownedBy = (tenantId: TenantId | undefined): string => tenantId ?? SITE_OWNER;

/** Never a tenant that happens to be called as the site is: the site's belong to no tenant. */
export const isOwnOf = ({ owner }: Pick<ImageRecord, 'owner'>, tenantId: TenantId | undefined): boolean =>
  owner !== SITE_OWNER && owner === tenantId;

export const mayUse = ({ owner, sharedWith }: ImageRecord, tenantId: TenantId): boolean =>
  owner === tenantId || owner === SITE_OWNER || sharedWith.includes(tenantId);

export type Resolved =
  | { readonly kind: 'image'; readonly image: ImageRecord }
  /** The registry has none of that name: a host may. */
  | { readonly kind: 'host-image' }
  | { readonly kind: 'unknown'; readonly because: string };

/**
 * Which image a tenant means. A plain name is its own image, else the site's, never another tenant's: nobody puts an
 * image under somebody else's manifest by sharing it. The newest that is not deprecated; by digest also one that is.
 */
export function resolveImage(
  candidates: readonly ImageRecord[],
  { owner, name, digest }: ImageReference,
  tenantId: TenantId,
): Resolved {
  const owners = owner === undefined ? [tenantId, SITE_OWNER] : [owner];
  const usable = candidates.filter((i) => i.name === name && i.state === 'ready' && mayUse(i, tenantId));
  for (const of of owners) {
    const versions = usable
      .filter((i) => i.owner === of && (digest === undefined || i.digest === digest))
      .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
    const image = versions.find((i) => digest !== undefined || !i.deprecated);
    if (image) return { kind: 'image', image };
    if (versions.length > 0)
      return { kind: 'unknown', because: 'it is deprecated; name a version by its digest' };
  }
  if (owner === undefined && digest === undefined) return { kind: 'host-image' };
  return { kind: 'unknown', because: 'the registry has no such image for this tenant' };
}

export const pinOf = ({ owner, name, digest, format, warm }: ImageRecord): string =>
  pinnedText({ owner, name, digest, format, ...(warm ? { on: warm.on } : {}) } satisfies PinnedImage);

/** How much disk an instance needs to hold the image's disk; what is unpacked takes none of its own. */
export const leastDiskMiBOf = ({ format, virtualBytes = 0, leastDiskMiB = 0 }: ImageRecord): number =>
  Math.max(
    leastDiskMiB,
    format === 'qcow2' || format === 'raw' ? Math.ceil(virtualBytes / BYTES_PER_MIB) : 0,
  );

export interface Unfit {
  /** Of the component, as a JSON pointer. */
  readonly pointer: string;
  readonly message: string;
}

/**
 * Why an instance like that can't run from it; undefined when it can.
 * @param interfaces on how many networks it is
 */
export function unfitFor(image: ImageRecord, capacity: Capacity, interfaces: number): Unfit | undefined {
  if (!image.warm) {
    const small = tooSmallFor(image, capacity);
    return small && { pointer: `capacity/${small.field}`, message: small.message };
  }
  const differs = warmMismatch(image.warm, { ...capacity, interfaces });
  if (!differs) return undefined;
  const { field, message } = differs;
  return { pointer: field === 'interfaces' ? 'networks' : `capacity/${field}`, message };
}

function tooSmallFor(
  image: ImageRecord,
  { memoryMiB, diskMiB }: Pick<Capacity, 'memoryMiB' | 'diskMiB'>,
): { readonly field: 'memoryMiB' | 'diskMiB'; readonly message: string } | undefined {
  const { leastMemoryMiB = 0 } = image;
  if (memoryMiB < leastMemoryMiB)
    return {
      field: 'memoryMiB',
      message: `its image needs ${leastMemoryMiB} MiB of memory, more than ${memoryMiB}`,
    };
  const disk = leastDiskMiBOf(image);
  if (diskMiB < disk)
    return { field: 'diskMiB', message: `its image needs ${disk} MiB of disk, more than ${diskMiB}` };
  return undefined;
}
