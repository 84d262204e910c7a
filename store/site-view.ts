import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeStream, Db, Document, Timestamp } from 'mongodb';
import type { PlacedVee, SnapshotHost } from '../domain/placement/model';

import { KeptInOrder } from './kept-in-order';

/** What a view is made of, read anew where something has changed. */
export interface SiteReader {
  readonly hosts: (ids?: readonly string[]) => Promise<SnapshotHost[]>;
  readonly places: (ids?: readonly string[]) => Promise<PlacedVee[]>;
}

/** What a planner sees of a site but for the rules of its tenants. */
export interface SiteContents {
  readonly hosts: readonly SnapshotHost[];
  readonly vees: readonly PlacedVee[];
}

/** Every question leaves a mark here, to know when the view has heard of all that was written before. */
const MARKS = 'siteViewMarks';
/** A stream that lags behind so far is no help any more. */
const LAG_MILLIS = 5_000;
const AWAIT_MILLIS = 500;
/** Reading all is no slower then: nobody has asked for long. It is not listened any more, either. */
const MOST_UNREAD = 20_000;

interface Change {
  readonly ns: { readonly coll: string };
  readonly documentKey: { readonly _id: string };
  readonly mark?: number;
}

/**
 * The hosts and VEEs of a site, kept in memory: loaded once, and from then on only what MongoDB tells has changed is read
 * again. What is asked of it sees every write that was acknowledged before, as a reading of the database would. Broken for
 * good once its stream is: whoever owns it begins another.
 */
export class SiteView {
  private readonly db: Db;
  private readonly read: SiteReader;
  private readonly stream: ChangeStream;
  private readonly id: string;
  private readonly hosts = new KeptInOrder<SnapshotHost>();
  private readonly vees = new KeptInOrder<PlacedVee>();
  private readonly changed = { hosts: new Set<string>(), vees: new Set<string>() };
  private asked = 0;
  private heard = 0;
  private broken: unknown;
  private readonly waiting = new Set<() => void>();
  /** One reading after the other: an older answer must not overwrite a newer one. */
  private refreshing: Promise<unknown> = Promise.resolve();

  private constructor(db: Db, read: SiteReader, id: string, stream: ChangeStream) {
    this.db = db;
    this.read = read;
    this.id = id;
    this.stream = stream;
  }

  static async begin(db: Db, read: SiteReader): Promise<SiteView> {
    const id = randomUUID();
    // From before the first reading on, so that nothing is missed between the two.
    const { operationTime } = (await db.command({ ping: 1 })) as { operationTime?: Timestamp };
    const stream = db.watch(changesThatMatter(id), {
      maxAwaitTimeMS: AWAIT_MILLIS,
      ...(operationTime ? { startAtOperationTime: operationTime } : {}),
    });
    const view = new SiteView(db, read, id, stream);
    try {
      for (const host of await read.hosts()) view.hosts.set(host.id, host);
      for (const vee of await read.places()) view.vees.set(vee.id, vee);
    } catch (error) {
      await view.close();
      throw error;
    }
    void view.listen();
    return view;
  }

  /** @throws what broke the stream, or that it lags too far behind */
  async contents(): Promise<SiteContents> {
    const mark = ++this.asked;
    await this.db
      .collection<{ _id: string }>(MARKS)
      .updateOne({ _id: this.id }, { $max: { mark }, $set: { at: new Date() } }, { upsert: true });
    await this.hasHeard(mark);
    const refreshed = this.refreshing.then(() => this.refresh());
    this.refreshing = refreshed.catch((error: unknown) => this.breaks(error));
    await refreshed;
    return { hosts: this.hosts.values(), vees: this.vees.values() };
  }

  async close(): Promise<void> {
    this.breaks(new Error('The view was closed.'));
    await this.stream.close().catch(() => undefined);
  }

  private async listen(): Promise<void> {
    try {
      for await (const change of this.stream as AsyncIterable<unknown>) this.note(change as Change);
      this.breaks(new Error('The stream of changes has ended.'));
    } catch (error) {
      this.breaks(error);
    }
  }

  private note({ ns, documentKey, mark }: Change): void {
    if (ns.coll === 'hosts') this.changed.hosts.add(documentKey._id);
    else if (ns.coll === 'vees') this.changed.vees.add(documentKey._id);
    if (this.changed.hosts.size + this.changed.vees.size > MOST_UNREAD)
      this.breaks(new Error(`More than ${MOST_UNREAD} hosts and VEEs have changed since it was last asked.`));
    if (mark !== undefined) {
      this.heard = Math.max(this.heard, mark);
      this.wakeAll();
    }
  }

  private async hasHeard(mark: number): Promise<void> {
    const tooLate = new AbortController();
    const lagging = delay(LAG_MILLIS, undefined, { signal: tooLate.signal }).then(
      () => this.breaks(new Error(`The stream of changes is more than ${LAG_MILLIS} ms behind.`)),
      () => undefined,
    );
    try {
      while (this.heard < mark && this.broken === undefined)
        await Promise.race([new Promise<void>((resolve) => this.waiting.add(resolve)), lagging]);
    } finally {
      tooLate.abort();
    }
    if (this.broken !== undefined) throw this.broken;
  }

  private async refresh(): Promise<void> {
    if (this.broken !== undefined) throw this.broken;
    const [hostIds, veeIds] = [[...this.changed.hosts], [...this.changed.vees]];
    this.changed.hosts.clear();
    this.changed.vees.clear();
    const [hosts, vees] = await Promise.all([
      hostIds.length > 0 ? this.read.hosts(hostIds) : [],
      veeIds.length > 0 ? this.read.places(veeIds) : [],
    ]);
    this.hosts.replace(
      hostIds,
      hosts.map((h) => [h.id, h]),
    );
    this.vees.replace(
      veeIds,
      vees.map((v) => [v.id, v]),
    );
  }

  private breaks(error: unknown): void {
    if (this.broken === undefined) void this.stream.close().catch(() => undefined);
    this.broken ??= error;
    this.wakeAll();
  }

  private wakeAll(): void {
    for (const wake of this.waiting) wake();
    this.waiting.clear();
  }
}

/** What heartbeats and transitions write at any moment says nothing about where there is room. */
const OF_NO_MATTER_OF_HOSTS = '^(lastHeartbeatAt|reportedAt|reported|measured|reservations)(\\.|$)';
/** But when places come free does. */
const OF_MATTER_OF_HOSTS = '^reservations\\..*\\.freeAt$';
const OF_MATTER_OF_VEES = '^(hostId|state|template)(\\.|$)';

function changesThatMatter(id: string): Document[] {
  const updated = (what: string) => ({ $ifNull: [`$updateDescription.${what}`, []] });
  const namesOf = (input: Document, field: string) => ({ $map: { input, in: `$$this.${field}` } });
  const fields = { $objectToArray: { $ifNull: ['$updateDescription.updatedFields', {}] } };
  const changed = {
    $concatArrays: [
      namesOf(fields, 'k'),
      updated('removedFields'),
      namesOf(updated('truncatedArrays'), 'field'),
    ],
  };
  const matching = (regex: string) => ({ $regexMatch: { input: '$$this', regex } });
  const any = (is: Document) => ({ $anyElementTrue: [{ $map: { input: changed, in: is } }] });
  return [
    {
      $match: {
        $or: [
          { 'ns.coll': { $in: ['hosts', 'vees'] }, operationType: { $ne: 'update' } },
          { 'ns.coll': MARKS, 'documentKey._id': id },
          { 'ns.coll': 'vees', $expr: any(matching(OF_MATTER_OF_VEES)) },
          {
            'ns.coll': 'hosts',
            $expr: any({ $or: [{ $not: [matching(OF_NO_MATTER_OF_HOSTS)] }, matching(OF_MATTER_OF_HOSTS)] }),
          },
        ],
      },
    },
    {
      $project: {
        'ns.coll': 1,
        'documentKey._id': 1,
        mark: { $ifNull: ['$fullDocument.mark', '$updateDescription.updatedFields.mark'] },
      },
    },
  ];
}
