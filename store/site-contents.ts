import type { Db } from 'mongodb';
import type { HostId } from '../domain/ids';
import type { HostLoad } from '../domain/measured';
import type { SnapshotHost } from '../domain/placement/model';
import { withLoad } from './host-loads';
import { type SiteContents, type SiteReader, SiteView } from './site-view';

const MILLIS_BETWEEN_COUNTS = 10_000;
/** Where a view can't be had, as when MongoDB is no replica set, it is not asked for again at once. */
const MILLIS_BETWEEN_VIEWS = 30_000;
/** Loads change with every heartbeat: of a large site they are read again no sooner. */
const MILLIS_BETWEEN_LOADS = 5_000;

/** What a site is read by; loads are read beside the view, which is not told of them. */
export interface ContentsReader extends SiteReader {
  readonly loads: () => Promise<ReadonlyMap<HostId, HostLoad>>;
}

export interface SiteContentsOptions {
  /** From so many hosts and VEEs on it takes longer to read all of them than to hear of what changes. */
  readonly largeFrom?: number;
  /** Is told why a large site is read as a whole. */
  readonly tell?: (why: string) => void;
}

/** What is in a site now: a small one is read as a whole each time, of a large one what has changed. */
export function siteContents(
  db: Db,
  read: ContentsReader,
  { largeFrom = Number.POSITIVE_INFINITY, tell = () => undefined }: SiteContentsOptions,
) {
  let counted = { at: -Infinity, large: largeFrom === 0 };
  let view: Promise<SiteView> | undefined;
  let nextView = 0;
  const loads = new KeptLoads(read.loads);

  const unloaded: SiteReader = {
    ...read,
    hosts: async (ids) => (await read.hosts(ids)).map((host) => withLoad(host, undefined)),
  };

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
    view ??= SiteView.begin(db, unloaded);
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
      const viewed = (await isLarge()) ? await fromView() : undefined;
      return viewed ? { ...viewed, hosts: await loads.on(viewed.hosts) } : whole();
    },
    async close(): Promise<void> {
      await view?.then((v) => v.close()).catch(() => undefined);
      view = undefined;
    },
  };
}

/** Hosts with what was in use of them a few seconds ago at most. What has been reserved since counts all the same. */
class KeptLoads {
  private readonly read: ContentsReader['loads'];
  private readAt = Number.NEGATIVE_INFINITY;
  private reading: ReturnType<ContentsReader['loads']> = Promise.resolve(new Map());
  /** Most questions find all as it was. */
  private last:
    | { of: readonly SnapshotHost[]; by: ReadonlyMap<HostId, HostLoad>; hosts: readonly SnapshotHost[] }
    | undefined;

  constructor(read: ContentsReader['loads']) {
    this.read = read;
  }

  async on(hosts: readonly SnapshotHost[]): Promise<readonly SnapshotHost[]> {
    const loads = await this.loads();
    if (loads.size === 0) return hosts;
    if (this.last?.of !== hosts || this.last.by !== loads)
      this.last = { of: hosts, by: loads, hosts: hosts.map((host) => withLoad(host, loads.get(host.id))) };
    return this.last.hosts;
  }

  private loads(): ReturnType<ContentsReader['loads']> {
    const now = performance.now();
    if (now - this.readAt < MILLIS_BETWEEN_LOADS) return this.reading;
    this.readAt = now;
    this.reading = this.read();
    this.reading.catch(() => {
      this.readAt = Number.NEGATIVE_INFINITY;
    });
    return this.reading;
  }
}
