import type { Db } from 'mongodb';
import { type SiteContents, type SiteReader, SiteView } from './site-view';

const MILLIS_BETWEEN_COUNTS = 10_000;
/** Where a view can't be had, as when MongoDB is no replica set, it is not asked for again at once. */
const MILLIS_BETWEEN_VIEWS = 30_000;

export interface SiteContentsOptions {
  /** From so many hosts and VEEs on it takes longer to read all of them than to hear of what changes. */
  readonly largeFrom?: number;
  /** Is told why a large site is read as a whole. */
  readonly tell?: (why: string) => void;
}

/** What is in a site now: a small one is read as a whole each time, of a large one what has changed. */
export function siteContents(
  db: Db,
  read: SiteReader,
  { largeFrom = Number.POSITIVE_INFINITY, tell = () => undefined }: SiteContentsOptions,
) {
  let counted = { at: -Infinity, large: largeFrom === 0 };
  let view: Promise<SiteView> | undefined;
  let nextView = 0;

  const whole = async (): Promise<SiteContents> => {
    const [hosts, vees] = await Promise.all([read.hosts(), read.places()]);
    return { hosts, vees };
  };

  async function isLarge(): Promise<boolean> {
    const now = performance.now();
    if (counted.large || now - counted.at < MILLIS_BETWEEN_COUNTS) return counted.large;
    const sizes = await Promise.all(['hosts', 'vees'].map((c) => db.collection(c).estimatedDocumentCount()));
    counted = { at: now, large: sizes.reduce((a, b) => a + b, 0) >= largeFrom };
    return counted.large;
  }

  async function fromView(): Promise<SiteContents | undefined> {
    if (!view && performance.now() < nextView) return undefined;
    view ??= SiteView.begin(db, read);
    const used = view;
    try {
      return await (await used).contents();
    } catch (error) {
      tell(error instanceof Error ? error.message : String(error));
      // Of several that see it broken one does away with it: by then another may have begun the next.
      if (view !== used) return undefined;
      view = undefined;
      nextView = performance.now() + MILLIS_BETWEEN_VIEWS;
      await used.then((v) => v.close()).catch(() => undefined);
      return undefined;
    }
  }

  return {
    async read(): Promise<SiteContents> {
      return ((await isLarge()) ? await fromView() : undefined) ?? (await whole());
    },
    async close(): Promise<void> {
      await view?.then((v) => v.close()).catch(() => undefined);
      view = undefined;
    },
  };
}
