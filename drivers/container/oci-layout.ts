import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArchiveBounds, archiveLimits } from '../../domain/images/archive';
import type { ImageFormat } from '../../domain/images/reference';
import type { UnpackedImage } from '../contract';
import { finishRoot, type Room, refuse, unpackLayer } from './unpack';

const MOST_JSON_BYTES = 4 * 1_048_576;
const MOST_LAYERS = 128;
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

interface Descriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly platform?: { readonly architecture?: string; readonly os?: string };
}

type Unpacked = Omit<UnpackedImage, 'path'>;

/** A root file system from an image of the registry. @throws SluiceError `driver-refused` for one that must not be used */
export async function unpackImage(
  format: ImageFormat,
  file: string,
  root: string,
  room?: Room,
): Promise<Unpacked> {
  const bounds = new ArchiveBounds(archiveLimits((await stat(file)).size));
  if (format === 'oci') return unpackOci(file, root, bounds, room);
  await unpackLayer(file, root, bounds, room);
  await finishRoot(root);
  return { bytes: bounds.diskBytes };
}

/** An OCI image layout in an archive, as `skopeo copy … oci-archive:` and `docker save` write it. */
async function unpackOci(file: string, root: string, bounds: ArchiveBounds, room?: Room): Promise<Unpacked> {
  const layout = `${root}.layout`;
  await rm(layout, { recursive: true, force: true });
  await mkdir(layout);
  try {
    const packed = new ArchiveBounds(archiveLimits((await stat(file)).size));
    await unpackLayer(file, layout, packed, room);
    const { config, layers } = await manifestOf(layout);
    if (layers.length > MOST_LAYERS) throw refuse(`The image has more than ${MOST_LAYERS} layers.`);
    for (const layer of layers) await unpackLayer(await blobOf(layout, layer), root, bounds, room);
    await finishRoot(root);
    const { Entrypoint, Cmd, Env } = (await jsonOf<{ config?: OciConfig }>(layout, config)).config ?? {};
    const command = [...strings(Entrypoint), ...strings(Cmd)];
    return {
      bytes: bounds.diskBytes,
      ...(command.length > 0 ? { command } : {}),
      environment: strings(Env).filter((e) => /^[A-Za-z_][A-Za-z0-9_]*=/.test(e)),
    };
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}

interface OciConfig {
  readonly Entrypoint?: unknown;
  readonly Cmd?: unknown;
  readonly Env?: unknown;
}

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string' && !v.includes('\0')) : [];

/** Of an index the manifest for this kind of machine; an index may lie in an index once. */
async function manifestOf(layout: string): Promise<{ config: Descriptor; layers: Descriptor[] }> {
  let found = parsed<Index>(await readJsonFile(join(layout, 'index.json')));
  for (let depth = 0; depth < 3; depth++) {
    if (found.layers && found.config) return { config: found.config, layers: found.layers };
    const all = found.manifests ?? [];
    const here = ARCHITECTURES[process.arch] ?? process.arch;
    const mine = all.find((m) => m.platform?.architecture === here && m.platform.os === 'linux');
    const chosen = mine ?? all.find((m) => m.platform === undefined);
    if (!chosen) throw refuse(`The image has nothing for linux on ${here}.`);
    found = await jsonOf<Index>(layout, chosen);
  }
  throw refuse('The image has no manifest that can be read.');
}

interface Index {
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: Descriptor[];
}

/** @returns the path of a part that is what its digest says */
async function blobOf(layout: string, { digest }: Descriptor): Promise<string> {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(String(digest))?.[1];
  if (!hex) throw refuse('The image names a part by something else than its SHA-256.');
  const path = join(layout, 'blobs', 'sha256', hex);
  const hash = createHash('sha256');
  if (!(await stat(path).catch(() => undefined))?.isFile())
    throw refuse('The image lacks a part that it names.');
  await pipeline(createReadStream(path), hash);
  if (hash.digest('hex') !== hex) throw refuse('A part of the image is something else than it says.');
  return path;
}

const jsonOf = async <T>(layout: string, of: Descriptor): Promise<T> =>
  parsed<T>(await readJsonFile(await blobOf(layout, of)));

async function readJsonFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size > MOST_JSON_BYTES)
    throw refuse('The image has no index that can be read.');
  return readFile(path, 'utf8');
}

function parsed<T>(text: string): T {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as T;
  } catch {
    // Told as what it is below.
  }
  throw refuse('The image has an index that can’t be read.');
}
