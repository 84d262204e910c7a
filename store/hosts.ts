import type { Db } from 'mongodb';
import { economyOf, type HostEconomy } from '../domain/cost/host-economy';
import { SluiceError } from '../domain/errors';
import type {
  DepartedVee,
  Fencing,
  HostFingerprint,
  HostRecord,
  Maintenance,
  ReportedVee,
} from '../domain/host';
import type { AgentId, HostId, OperationId, SiteId } from '../domain/ids';
import type { HostLoad } from '../domain/measured';
import type { SnapshotHost } from '../domain/placement/model';
import type { HostPromises } from '../domain/placement/promised';
import { ZERO } from '../domain/units';
import { findPage, fromStored, type PageRequest, type Stored } from './documents';
import { hostLoads, withLoad } from './host-loads';
import { HELD_FOR_A_TIME, hostPromises } from './host-promises';
import { hostRecount } from './host-recount';
import { hostReservations } from './host-reservations';
import { hostWatch } from './host-watch';
import type { LicenceRepository } from './licences';

export interface HostJoin extends HostEconomy {
  readonly id: HostId;
  readonly siteId: SiteId;
  readonly agentId: AgentId;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fingerprint: HostFingerprint;
  readonly underlayAddress?: string;
}

export interface Peer {
  readonly hostId: HostId;
  readonly underlayAddress: string;
}

/**
 * What a host offers and how it is, without the long lists of what it holds and runs; of what it holds only where something
 * is promised.
 */
export type HostOffer = Omit<HostRecord, 'reservations' | 'reported'> &
  Partial<Pick<HostRecord, 'reservations'>>;

export function toSnapshotHost(host: HostOffer): SnapshotHost {
  const { id, siteId: site, zone, labels, liveness, cordoned, fingerprint } = host;
  const { reserved, measured, promises = {} } = host;
  const { driver, capabilities, images, capacity, physical } = fingerprint;
  const snapshot = {
    ...{ id, site, zone, labels, liveness, cordoned, driver, capabilities, images, capacity, reserved },
    ...economyOf(host),
    ...(physical ? { physical } : {}),
    ...(Object.keys(promises).length > 0 ? { promised: promisedOn(host) } : {}),
  };
  return withLoad(snapshot, measured);
}

/** The same for those who make promises: when places come free counts there also where nothing is promised yet. */
export const toLeaseHost = (host: HostOffer): SnapshotHost => ({
  ...toSnapshotHost(host),
  promised: promisedOn(host),
});

const promisedOn = ({ promises = {}, reservations = {} }: HostOffer): HostPromises => ({
  promises: Object.values(promises),
  stays: Object.entries(reservations).flatMap(([veeId, { amount, freeAt, leaseId }]) =>
    freeAt === undefined && leaseId === undefined
      ? []
      : [{ veeId, amount, ...(freeAt === undefined ? {} : { freeAt }), ...(leaseId ? { leaseId } : {}) }],
  ),
});

/**
 * An agent that takes the API for an older one says nothing of networks, though its host is on them: what it said before holds
 * then. One that says whether it connects VEEs says all, so that what it leaves out is no more.
 */
export function saidOfNetworks(
  join: HostJoin,
  known: Pick<HostRecord, 'agentId' | 'fingerprint' | 'underlayAddress'> | undefined,
): HostJoin {
  const { capabilities, driver } = join.fingerprint;
  const same = known?.agentId === join.agentId && known.fingerprint.driver === driver;
  const before = same ? known.fingerprint.capabilities.networks : undefined;
  if (capabilities.networks !== undefined || before === undefined) return join;
  return {
    ...join,
    fingerprint: { ...join.fingerprint, capabilities: { ...capabilities, networks: before } },
    ...(join.underlayAddress === undefined && known?.underlayAddress !== undefined
      ? { underlayAddress: known.underlayAddress }
      : {}),
  };
}

export function hostRepository(db: Db, licences: Pick<LicenceRepository, 'claim'>) {
  const hosts = db.collection<Stored<HostRecord>>('hosts');

  return {
    async get(id: HostId): Promise<HostRecord | undefined> {
      const doc = await hosts.findOne({ _id: id });
      return doc ? fromStored<HostRecord>(doc) : undefined;
    },

    async all(): Promise<HostRecord[]> {
      return (await hosts.find().sort({ _id: 1 }).toArray()).map((d) => fromStored<HostRecord>(d));
    },

    /** With what is held there as far as it has an end or is on a reservation's account, which is little of it. */
    async leaseOffers(): Promise<HostOffer[]> {
      const docs = hosts.aggregate<Stored<HostRecord>>([
        { $set: { reservations: { $arrayToObject: HELD_FOR_A_TIME } } },
        { $unset: 'reported' },
        { $sort: { _id: 1 } },
      ]);
      return (await docs.toArray()).map((d) => fromStored<HostRecord>(d));
    },

    async offers(ids?: readonly string[]): Promise<HostOffer[]> {
      const docs = await hosts
        .find(ids ? { _id: { $in: [...ids] } } : {}, { projection: { reservations: 0, reported: 0 } })
        .sort({ _id: 1 })
        .toArray();
      const promising = docs.filter((d) => Object.keys(d.promises ?? {}).length > 0).map((d) => d._id);
      const held = promising.length > 0 ? await this.reservationsOn(promising) : new Map();
      return docs.map((d) => {
        const reservations = held.get(d._id);
        return { ...fromStored<HostRecord>(d), ...(reservations ? { reservations } : {}) };
      });
    },

    async reservationsOn(ids: readonly string[]): Promise<Map<string, HostRecord['reservations']>> {
      const docs = await hosts
        .find({ _id: { $in: [...ids] } }, { projection: { reservations: 1 } })
        .toArray();
      return new Map(docs.map((d) => [d._id, d.reservations]));
    },

    page: (request: PageRequest) => findPage<HostRecord>(hosts, {}, 'joinedAt', request),

    /** A host that joins again keeps its reservations: its VEEs may well have outlived its agent. */
    async join(join: HostJoin, now: number): Promise<void> {
      const { id, ...facts } = saidOfNetworks(join, await this.get(join.id));
      const silent = (['price', 'power', 'failuresPerYear', 'underlayAddress'] as const).filter(
        (k) => facts[k] === undefined,
      );
      for (const key of silent) delete facts[key];
      await hosts.updateOne(
        { _id: id },
        {
          $set: { ...facts, liveness: 'up', lastHeartbeatAt: now },
          $setOnInsert: {
            cordoned: false,
            reservations: {},
            reserved: ZERO,
            measured: null,
            reported: [],
            reportedAt: 0,
            joinedAt: now,
          },
          // What it does not say any more.
          ...(silent.length > 0 ? { $unset: Object.fromEntries(silent.map((key) => [key, true])) } : {}),
          $inc: { generation: 1 },
        },
        { upsert: true },
      );
    },

    /**
     * @param load what is in use; where it is not said, what was said last is kept for a minute
     * @returns undefined when the host never joined
     */
    async heartbeat(
      id: HostId,
      agentId: AgentId,
      reported: readonly ReportedVee[],
      now: number,
      collectedAt: number,
      load?: HostLoad,
      underlayAddress?: string,
    ): Promise<{ fenced: boolean; underlay: boolean } | undefined> {
      const doc = await hosts.findOneAndUpdate(
        { _id: id, agentId },
        {
          $set: {
            lastHeartbeatAt: now,
            reportedAt: collectedAt,
            liveness: 'up',
            reported: [...reported],
            ...(load ? { measured: { ...load, at: now } } : {}),
            ...(underlayAddress ? { underlayAddress } : {}),
          },
        },
        { projection: { fenced: 1, measured: 1, underlayAddress: 1 }, returnDocument: 'after' },
      );
      if (!load && doc?.measured) await this.forgetStaleLoad(id, now);
      return doc ? { fenced: doc.fenced != null, underlay: doc.underlayAddress !== undefined } : undefined;
    },

    /** Between whom the packets of networks travel. */
    async peers(): Promise<Peer[]> {
      const docs = await hosts
        .find({ underlayAddress: { $exists: true } }, { projection: { underlayAddress: 1 } })
        .sort({ _id: 1 })
        .toArray();
      return docs.map(({ _id, underlayAddress = '' }) => ({ hostId: _id as HostId, underlayAddress }));
    },

    /**
     * Begins to empty a host: nothing new comes to it. Repeating it under the same operation changes nothing.
     * @throws SluiceError `unavailable` when it changed meanwhile
     */
    async beginMaintenance(id: HostId, operationId: OperationId, now: number): Promise<void> {
      const host = await this.get(id);
      if (!host) throw new SluiceError('not-found', `There is no host ${id}.`);
      const { cordoned, maintenance: earlier } = host;
      if (earlier?.operationId === operationId) return;
      const maintenance: Maintenance = {
        operationId,
        since: now,
        drained: false,
        cordonedBefore: cordoned,
        // Drained again while it is still closed: what left it then is to be brought back too. Somebody who
        // opened it by hand has settled for what was there.
        left: cordoned ? (earlier?.left ?? []) : [],
        former: earlier ? { ...earlier, former: null } : null,
      };
      const result = await hosts.updateOne(
        { _id: id, generation: host.generation },
        { $set: { cordoned: true, maintenance }, $inc: { generation: 1 } },
      );
      if (result.modifiedCount === 0)
        throw new SluiceError('unavailable', `${id} changed meanwhile; trying again.`);
    },

    /** Undo of `beginMaintenance`: as it was, and as open as somebody has asked for since. */
    async abandonMaintenance(id: HostId, operationId: OperationId): Promise<void> {
      await hosts.updateOne({ _id: id, 'maintenance.operationId': operationId }, [
        {
          $set: {
            cordoned: '$maintenance.cordonedBefore',
            maintenance: { $ifNull: ['$maintenance.former', null] },
            generation: { $add: ['$generation', 1] },
          },
        },
      ]);
    },

    /** Notes what has left a host that is being emptied; noting one again changes its epoch only. */
    async noteDeparted(
      id: HostId,
      operationId: OperationId,
      departed: readonly DepartedVee[],
    ): Promise<void> {
      const ids = departed.map((d) => d.veeId);
      const others = {
        $filter: { input: '$maintenance.left', cond: { $not: { $in: ['$$this.veeId', ids] } } },
      };
      // Services leave side by side, so in one step: nothing that another notes may be lost.
      await hosts.updateOne({ _id: id, 'maintenance.operationId': operationId }, [
        { $set: { 'maintenance.left': { $concatArrays: [others, { $literal: departed }] } } },
      ]);
    },

    async setDrained(id: HostId, operationId: OperationId): Promise<void> {
      await hosts.updateOne(
        { _id: id, 'maintenance.operationId': operationId },
        { $set: { 'maintenance.drained': true } },
      );
    },

    /** Its maintenance is over: nothing more is to be brought back. */
    async endMaintenance(id: HostId): Promise<void> {
      await hosts.updateOne(
        { _id: id, maintenance: { $ne: null } },
        { $set: { maintenance: null }, $inc: { generation: 1 } },
      );
    },

    /** @returns false when the host has come back meanwhile: then there is nothing to fence */
    async fence(id: HostId, fencing: Fencing): Promise<boolean> {
      const result = await hosts.updateOne({ _id: id, liveness: 'lost' }, { $set: { fenced: fencing } });
      return result.matchedCount === 1;
    },

    /** A host that came back holds nothing that was superseded any more. @returns true when it was fenced until now */
    async liftFence(id: HostId): Promise<boolean> {
      const result = await hosts.updateOne(
        { _id: id, liveness: 'up', fenced: { $ne: null } },
        { $set: { fenced: null } },
      );
      return result.modifiedCount === 1;
    },

    async setCordoned(id: HostId, cordoned: boolean): Promise<void> {
      await hosts.updateOne({ _id: id }, { $set: { cordoned }, $inc: { generation: 1 } });
    },

    /**
     * What an operator asks for. A host that is being emptied stays closed meanwhile: it holds once that is cancelled.
     * @returns the host, or undefined when it isn't there or its generation moved on
     */
    async requestCordon(
      id: HostId,
      cordoned: boolean,
      generation: number | undefined,
    ): Promise<HostRecord | undefined> {
      const draining = { $eq: ['$maintenance.drained', false] };
      const later = { $mergeObjects: ['$maintenance', { cordonedBefore: cordoned }] };
      const doc = await hosts.findOneAndUpdate(
        { _id: id, ...(generation === undefined ? {} : { generation }) },
        [
          {
            $set: {
              cordoned: { $cond: [draining, '$cordoned', cordoned] },
              maintenance: { $cond: [draining, later, { $ifNull: ['$maintenance', null] }] },
              generation: { $add: ['$generation', 1] },
            },
          },
        ],
        { returnDocument: 'after' },
      );
      return doc ? fromStored<HostRecord>(doc) : undefined;
    },

    ...hostReservations(hosts, licences),
    ...hostRecount(hosts),
    ...hostPromises(hosts),
    ...hostLoads(hosts),
    ...hostWatch(hosts),
  };
}

export type HostRepository = ReturnType<typeof hostRepository>;
