/**
 * How images are called. People write `debian`, `acme/debian` or `debian@sha256:…`; what a VEE is made from says whose
 * image, which content and which format: `site/debian@sha256:….qcow2`. It stands where a host's own images have their
 * plain names, so that whatever places VEEs carries it along.
 */
export const IMAGE_FORMATS = ['qcow2', 'raw', 'tar', 'oci', 'warm'] as const;
/** Those that people bring. A machine's memory is believed only when a host of the site has written it. */
export const REGISTERED_FORMATS = ['qcow2', 'raw', 'tar', 'oci'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** Owns what operators register for everybody. No tenant of that name can have images of its own. */
export const SITE_OWNER = 'site';

export interface ImageReference {
  /** Absent where a plain name was written: the tenant's own is meant, else the site's. */
  readonly owner?: string;
  readonly name: string;
  /** SHA-256 of the content, in hex. */
  readonly digest?: string;
}

export interface PinnedImage {
  readonly owner: string;
  readonly name: string;
  readonly digest: string;
  readonly format: ImageFormat;
  /** Of a warm one: on which hosts it goes on, as they name it. */
  readonly on?: string;
}

export const IMAGE_NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,127}$/;
export const DIGEST_PATTERN = /^[0-9a-f]{64}$/;
/** What a manifest may say. */
export const IMAGE_REFERENCE_PATTERN =
  /^(?:([a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)\/)?([a-z0-9][a-z0-9._-]{0,127})(?:@sha256:([0-9a-f]{64})(?:\.(qcow2|raw|tar|oci|warm-([a-z0-9_-]{1,64})))?)?$/;

/** @returns undefined for what is no reference */
export function imageReference(text: string): ImageReference | undefined {
  const [, owner, name, digest] = IMAGE_REFERENCE_PATTERN.exec(text) ?? [];
  if (name === undefined) return undefined;
  return { ...(owner ? { owner } : {}), name, ...(digest ? { digest } : {}) };
}

/** @returns undefined for a host's own image */
export function pinnedImage(image: string): PinnedImage | undefined {
  const [, owner, name, digest, format, on] = IMAGE_REFERENCE_PATTERN.exec(image) ?? [];
  if (!owner || !name || !digest || !format) return undefined;
  if (on) return { owner, name, digest, format: 'warm', on };
  return { owner, name, digest, format: format as ImageFormat };
}

export const pinnedText = ({ owner, name, digest, format, on }: PinnedImage): string =>
  `${owner}/${name}@sha256:${digest}.${format}${on ? `-${on}` : ''}`;

const REGISTRY = 'registry:';
const DIGEST = '@sha256:';
const DIGEST_LENGTH = 64;
/** Stands among the images of a host: it fetches those of this format. Agents of earlier releases name none. */
export const acceptsFormat = (format: ImageFormat): string => `${REGISTRY}${format}`;
/** The same of warm images: it runs those of hosts that are like it in all that this names. */
export const acceptsWarm = (on: string): string => `${REGISTRY}warm-${on}`;
/** How a host that fetches such an image names that. */
export const acceptedAs = ({ format, on }: Pick<PinnedImage, 'format' | 'on'>): string =>
  on === undefined ? acceptsFormat(format) : acceptsWarm(on);
/** Can a host make warm images of what runs on it? */
export const makesWarm = (images: readonly string[]): boolean =>
  images.some((name) => name.startsWith(`${REGISTRY}warm-`));
/** Is it the name of an image, rather than of a format? */
export const isImageName = (name: string): boolean => !name.startsWith(REGISTRY);

/** May a VEE of this image run where there are those? */
export function hostRuns(images: readonly string[], image: string): boolean {
  if (images.includes(image)) return true;
  const at = image.indexOf(DIGEST);
  return (
    at >= 0 && images.includes(`${REGISTRY}${image.slice(at + DIGEST.length + DIGEST_LENGTH + '.'.length)}`)
  );
}
