import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { SluiceError } from '../domain/errors';

/** Where an image is registered from, instead of being uploaded. */
export type ImageOrigin = { readonly path: string } | { readonly url: string };

export interface ImageSource {
  readonly sizeBytes: number;
  /** What follows `fromByte`; to be read once. */
  read(fromByte: number): AsyncIterable<Uint8Array>;
}

const ANSWER_MILLIS = 30_000;

/**
 * A file of the API's own machine, or an address: for operators, who may reach either anyhow.
 * @throws SluiceError `request-invalid` when there is nothing to be read
 */
export function openSource(origin: ImageOrigin): Promise<ImageSource> {
  return 'path' in origin ? openFile(origin.path) : openUrl(origin.url);
}

async function openFile(path: string): Promise<ImageSource> {
  const found = isAbsolute(path) ? await stat(path).catch(() => undefined) : undefined;
  if (!found?.isFile())
    throw unusable('/from/path', `the API's machine has no file ${path} that it may read`);
  return { sizeBytes: found.size, read: (start) => createReadStream(path, { start }) };
}

async function openUrl(url: string): Promise<ImageSource> {
  const head = await ask(url, 'HEAD');
  const sizeBytes = Number(head.headers.get('content-length') ?? 'NaN');
  if (!Number.isInteger(sizeBytes)) throw unusable('/from/url', 'its server does not say how large it is');
  return { sizeBytes, read: (start) => download(url, start) };
}

async function* download(url: string, start: number): AsyncGenerator<Uint8Array> {
  const response = await ask(url, 'GET', start > 0 ? { range: `bytes=${start}-` } : {});
  // A server without ranges sends all of it again.
  let skip = response.status === 206 ? 0 : start;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    if (skip < bytes.length) yield skip === 0 ? bytes : bytes.subarray(skip);
    skip = Math.max(0, skip - bytes.length);
  }
}

async function ask(url: string, method: string, headers: Record<string, string> = {}): Promise<Response> {
  const stopped = new AbortController();
  const timer = setTimeout(() => stopped.abort(), ANSWER_MILLIS);
  try {
    // What is registered is what stands at the address that was given, and nowhere else.
    const response = await fetch(url, { method, headers, redirect: 'error', signal: stopped.signal });
    if (response.ok) return response;
    throw unusable('/from/url', `its server answers ${response.status}`);
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw unusable('/from/url', 'it can’t be read from there; redirects are not followed', cause);
  } finally {
    clearTimeout(timer);
  }
}

const unusable = (pointer: string, why: string, cause?: unknown) =>
  new SluiceError('request-invalid', `${pointer}: ${why}`, { pointer, cause });
