import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { resolve, sep } from 'node:path';
import { SluiceError } from '../domain/errors';
import { isPublicAddress, publicLookup } from './public-address';

/** Where an image is registered from, instead of being uploaded. */
export type ImageOrigin = { readonly path: string } | { readonly url: string };

/** From where a site lets images be registered. Who operates it need not be who runs the API's machine. */
export interface ImageSourceRules {
  /** Of the API's machine, with what is below it; none when absent. */
  readonly folder: string | undefined;
  /** Also addresses that only the site's own networks have. */
  readonly privateAddresses: boolean;
  /** So long nothing may come from an address. */
  readonly stalledMillis?: number;
}

export interface ImageSource {
  readonly sizeBytes: number;
  /** What follows `fromByte`; to be read once. @throws SluiceError `unavailable` when it is cut */
  read(fromByte: number): AsyncIterable<Uint8Array>;
}

const STALLED_MILLIS = 30_000;

/**
 * A file of the API's own machine, or an address, as far as the site's rules let it.
 * @throws SluiceError `request-invalid` when there is nothing to be read, or it must not be
 */
export function openSource(origin: ImageOrigin, rules: ImageSourceRules): Promise<ImageSource> {
  return 'path' in origin ? openFile(origin.path, rules.folder) : openUrl(new URL(origin.url), rules);
}

async function openFile(asked: string, folder: string | undefined): Promise<ImageSource> {
  if (folder === undefined)
    throw unusable('/from/path', 'this site takes no files of the API’s machine (SLUICE_IMAGE_SOURCES)');
  // Links are followed first: none leads out.
  const [base, path] = await Promise.all([real(folder), real(resolve(folder, asked))]);
  const isInside = base !== undefined && path?.startsWith(base.endsWith(sep) ? base : base + sep);
  const found = isInside && path ? await stat(path).catch(() => undefined) : undefined;
  // What is elsewhere is told like what is not there: nobody learns from this what the machine has.
  if (!path || !found?.isFile())
    throw unusable('/from/path', `there is no such file that may be read below ${folder}`);
  return { sizeBytes: found.size, read: (start) => createReadStream(path, { start }) };
}

const real = (path: string) => realpath(path).catch(() => undefined);

async function openUrl(url: URL, rules: ImageSourceRules): Promise<ImageSource> {
  const head = await ask(url, 'HEAD', rules);
  head.resume();
  const sizeBytes = Number(head.headers['content-length'] ?? 'NaN');
  if (!Number.isInteger(sizeBytes)) throw unusable('/from/url', 'its server does not say how large it is');
  return { sizeBytes, read: (start) => download(url, start, rules) };
}

async function* download(url: URL, start: number, rules: ImageSourceRules): AsyncGenerator<Uint8Array> {
  const response = await ask(url, 'GET', rules, start > 0 ? { range: `bytes=${start}-` } : {});
  // A server without ranges sends all of it again.
  let skip = response.statusCode === 206 ? 0 : start;
  const parts = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      // Only while it is waited for: who reads may take longer than who sends.
      const timer = setTimeout(
        () => response.destroy(new Error('Nothing more came.')),
        rules.stalledMillis ?? STALLED_MILLIS,
      );
      const { done, value } = await parts.next().finally(() => clearTimeout(timer));
      if (done) return;
      if (skip < value.length) yield skip === 0 ? value : value.subarray(skip);
      skip = Math.max(0, skip - value.length);
    }
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError('unavailable', 'Its server sent only a part; asked again, it is gone on with.', {
      pointer: '/from/url',
      cause,
    });
  } finally {
    response.destroy();
  }
}

/** What is registered is what stands at the address that was given, and nowhere else: redirects are not followed. */
async function ask(
  url: URL,
  method: string,
  { privateAddresses, stalledMillis = STALLED_MILLIS }: ImageSourceRules,
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    // Names are looked at when they are resolved, so that none means another address when it is connected to.
    if (!privateAddresses && isIP(host) && !isPublicAddress(host)) throw new Error(`${host} is not public.`);
    const lookup = privateAddresses ? {} : { lookup: publicLookup };
    const asking = send(url, { method, headers, agent: false, ...lookup }, resolve);
    const timer = setTimeout(() => asking.destroy(new Error('No answer came.')), stalledMillis);
    asking.on('error', reject).on('close', () => clearTimeout(timer));
    asking.on('response', () => clearTimeout(timer)).end();
  });
  const response = await answered.catch((cause) => {
    const why = 'it can’t be read from there; redirects are not followed, nor names of what is not public';
    throw unusable('/from/url', why, cause);
  });
  const { statusCode = 0 } = response;
  if (statusCode >= 200 && statusCode < 300) return response;
  response.destroy();
  throw unusable('/from/url', `its server answers ${statusCode}`);
}

const unusable = (pointer: string, why: string, cause?: unknown) =>
  new SluiceError('request-invalid', `${pointer}: ${why}`, { pointer, cause });
