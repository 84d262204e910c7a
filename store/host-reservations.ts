import type { ClientSession, Collection, Document } from 'mongodb';
import type { HostRecord } from '../domain/host';
import type { HostId, OperationId, TenantId, VeeId } from '../domain/ids';
import type { LicensedPlace } from '../domain/placement/licences';
import { endOf, type Stay } from '../domain/placement/promised';
import {
  amountOf,
  type Capacity,
  DIMENSIONS,
  type Dimension,
  dimensionsOf,
  isDevice,
  subtract,
  sum,
} from '../domain/units';
import type { Stored } from './documents';
import { HELD, holds, nothingOf, PROMISED, pathOf } from './host-promises';
import type { Claim, LicenceRepository } from './licences';

/** Whose VEEs something is reserved for. */
export interface Tenancy {
  readonly tenantId: TenantId;
  /** Whose VEEs must not be on the same host: two that plan at once are kept apart here. */
  readonly others?: readonly TenantId[];
  /** Those that each of the VEEs takes; absent of one that takes none. */
  readonly licences?: ReadonlyMap<string, readonly string[]>;
  /** How long they stay, where there is an end to it, and on what reservation. */
  readonly stay?: Stay | undefined;
}

/** What VEEs need, by the host that they are to go to. */
export type Places = ReadonlyMap<HostId, ReadonlyMap<string, Capacity>>;

/**
 * So many hosts are written to in one transaction at most. Each beats every second, and a beat that comes between makes the
 * transaction begin anew: with many more it would never end.
 */
const HOSTS_AT_ONCE = 40;

/** What VEEs hold on hosts, and the sums of it: always changed together, in one write to one document. */
export function hostReservations(
  hosts: Collection<Stored<HostRecord>>,
  ledger: Pick<LicenceRepository, 'claim'>,
) {
  /** Those hosts on which the operation does not hold all of it yet. */
  async function unheld(
    places: Places,
    operationId: OperationId,
  ): Promise<Map<HostId, ReadonlyMap<string, Capacity>>> {
    const keys = [...places.values()].flatMap((needs) => [...needs.keys()]);
    const projection = Object.fromEntries(keys.map((k) => [`reservations.${k}.operationId`, 1]));
    const known = await hosts.find({ _id: { $in: [...places.keys()] } }, { projection }).toArray();
    const held = new Map(known.map((h) => [h._id as string, h.reservations]));
    const isHeld = (id: HostId, key: string) => held.get(id)?.[key]?.operationId === operationId;
    return new Map([...places].filter(([id, needs]) => ![...needs.keys()].every((k) => isHeld(id, k))));
  }

  return {
    /** The same as `reserveAll` on one host. */
    reserve(
      id: HostId,
      operationId: OperationId,
      needs: ReadonlyMap<string, Capacity>,
      now: number,
      tenancy: Tenancy,
    ): Promise<boolean> {
      return this.reserveAll(operationId, new Map([[id, needs]]), now, tenancy);
    },

    /**
     * Holds capacity for several VEEs, on each host with one conditional update of one document: either all that go there are
     * held or none. Where they take licences the hosts are written to in a transaction, since what others have taken of them
     * is on other hosts. Repeating it under the same operation is a success that changes nothing.
     * @returns false when something is not held; what was taken elsewhere is for the caller to give back
     */
    async reserveAll(
      operationId: OperationId,
      places: Places,
      now: number,
      tenancy: Tenancy,
    ): Promise<boolean> {
      const { licences = new Map<string, readonly string[]>() } = tenancy;
      if (licences.size === 0) {
        for (const [id, needs] of places) {
          const { filter, update } = taking(id, operationId, needs, now, tenancy);
          if ((await hosts.updateOne(filter, update)).matchedCount === 1) continue;
          if ((await unheld(new Map([[id, needs]]), operationId)).size > 0) return false;
        }
        return true;
      }
      const left = [...(await unheld(places, operationId))];
      const parts = Array.from({ length: Math.ceil(left.length / HOSTS_AT_ONCE) }, (_, n): Claim => {
        const part = left.slice(n * HOSTS_AT_ONCE, (n + 1) * HOSTS_AT_ONCE);
        const writes = part.map(([id, needs]) => ({
          updateOne: taking(id, operationId, needs, now, tenancy),
        }));
        return {
          places: part.flatMap(([hostId, needs]) => licensedPlaces(hostId, needs, licences)),
          take: async (session) => (await hosts.bulkWrite(writes, { session })).matchedCount === part.length,
        };
      });
      return (await ledger.claim(parts)) || (await unheld(places, operationId)).size === 0;
    },

    /**
     * Gives back what one VEE holds on a host. With `operationId` only if that operation took it: an undo
     * must not free what somebody else holds.
     */
    release(hostId: HostId, veeId: string, operationId?: OperationId): Promise<void> {
      return this.releaseAll([veeId], { hostId, ...(operationId ? { operationId } : {}) });
    },

    /**
     * Gives back what these VEEs hold, on one host or wherever they hold it. What each host gives back is
     * computed from its own document in the very write that takes it away, so it happens once.
     * @param only with `operationId` only what that took: an undo must not free what somebody else holds
     */
    async releaseAll(
      veeIds: readonly string[],
      only: { hostId?: HostId; except?: HostId | undefined; operationId?: OperationId } = {},
    ): Promise<void> {
      if (veeIds.length === 0) return;
      const holding = { $or: veeIds.map((id) => ({ [`reservations.${id}`]: { $exists: true } })) };
      const where = [
        ...(only.hostId ? [{ _id: only.hostId as string }] : []),
        ...(only.except ? [{ _id: { $ne: only.except as string } }] : []),
      ];
      await hosts.updateMany({ $and: [...where, holding] } as Document, releasing(veeIds, only.operationId));
    },

    /** Where an operation has taken a place for a VEE. */
    async heldBy(operationId: OperationId, veeId: string): Promise<HostId | undefined> {
      const held = { [`reservations.${veeId}.operationId`]: operationId } as Document;
      return (await hosts.findOne(held, { projection: { _id: 1 } }))?._id as HostId | undefined;
    },

    /** Changes what a VEE holds; false when a growth doesn't fit any more. */
    async adjust(id: HostId, veeId: string, to: Capacity, now: number): Promise<boolean> {
      const held = (await hosts.findOne({ _id: id }))?.reservations[veeId];
      if (!held) return false;
      // What shrinks always fits, also on a host that has come back with less than it had.
      const more = subtract(to, held.amount);
      const growing = dimensionsOf(more).filter((d) => amountOf(more, d) > 0);
      const room = growing.map((d) => roomFor(d, amountOf(more, d)));
      const grown = changed(veeId, { amount: { $literal: to } });
      const fits = holds({
        held: grown,
        promised: PROMISED,
        now,
        until: endOf(held.freeAt, now),
        dimensions: growing,
      });
      const filter = {
        ...{ _id: id, [`reservations.${veeId}.amount`]: held.amount },
        $expr: { $and: [...room, fits] },
      } as Document;
      const update = {
        ...{ $set: { [`reservations.${veeId}.amount`]: to }, $inc: incrementsOf(more) },
      } as Document;
      const take = async (session?: ClientSession) =>
        (await hosts.updateOne(filter, update, session ? { session } : {})).matchedCount === 1;
      const grows = to.cpuMillis > held.amount.cpuMillis && held.licences !== undefined;
      if (!grows) return take();
      const licences = new Map([[veeId, held.licences ?? []]]);
      return ledger.claim([{ places: licensedPlaces(id, new Map([[veeId, to]]), licences), take }]);
    },
  };
}

/** Those of what is needed on a host that take licences. */
export const licensedPlaces = (
  hostId: HostId,
  needs: ReadonlyMap<string, Capacity>,
  licences: ReadonlyMap<string, readonly string[]>,
): LicensedPlace[] =>
  [...needs].flatMap(([k, { cpuMillis }]) => {
    const taken = licences.get(k) ?? [];
    return taken.length === 0 ? [] : [{ veeId: k as VeeId, hostId, cpuMillis, licences: taken }];
  });

/** The write that takes all of it on one host, or nothing. */
function taking(
  id: HostId,
  operationId: OperationId,
  needs: ReadonlyMap<string, Capacity>,
  now: number,
  { tenantId, others = [], licences = new Map(), stay = {} }: Tenancy,
) {
  const total = sum([...needs.values()]);
  const keys = [...needs.keys()];
  const room = dimensionsOf(total).map((d) => roomFor(d, amountOf(total, d)));
  const absent = keys.map((k) => ({ [`reservations.${k}`]: { $exists: false } }));
  const entries = [...needs].map(([k, amount]) => [
    `reservations.${k}`,
    {
      ...{ operationId, amount, since: now, tenantId, ...stay },
      ...(licences.has(k) ? { licences: licences.get(k) } : {}),
    },
  ]);
  const licensed = [...new Set(keys.flatMap((k) => licences.get(k) ?? []))];
  const coming = [...needs].map(([k, amount]) => ({ k, v: { amount, ...stay } }));
  const held = { $concatArrays: [HELD, { $literal: coming }] };
  const dimensions = dimensionsOf(total);
  const fits = holds({ held, promised: PROMISED, now, until: endOf(stay.freeAt, now), dimensions });
  return {
    filter: {
      ...{ _id: id, liveness: 'up', cordoned: false, $and: absent },
      $expr: { $and: [...room, fits, ...(others.length > 0 ? [nothingOf(others)] : [])] },
    } as Document,
    update: {
      ...{ $set: Object.fromEntries(entries), $inc: incrementsOf(total) },
      ...(licensed.length > 0 ? { $addToSet: { licensed: { $each: licensed } } } : {}),
    } as Document,
  };
}

/** What is held, with something of one entry changed. */
const changed = (veeId: string, change: Document): Document => ({
  $map: {
    input: HELD,
    in: {
      $cond: [
        { $eq: ['$$this.k', veeId] },
        { k: '$$this.k', v: { $mergeObjects: ['$$this.v', change] } },
        '$$this',
      ],
    },
  },
});

/** A pipeline that takes entries out of a host's reservations, and what they hold out of its sum. */
function releasing(veeIds: readonly string[], operationId: OperationId | undefined): Document[] {
  const held = { $objectToArray: '$reservations' };
  const given = {
    $and: [
      { $in: ['$$entry.k', [...veeIds]] },
      ...(operationId === undefined ? [] : [{ $eq: ['$$entry.v.operationId', operationId] }]),
    ],
  };
  const entries = (cond: Document) => ({ $filter: { input: held, as: 'entry', cond } });
  const rest = DIMENSIONS.map((d): [string, Document] => [
    `reserved.${d}`,
    { $subtract: [`$reserved.${d}`, { $sum: `$releasing.v.amount.${d}` }] },
  ]);
  const reserved = { ...Object.fromEntries(rest), 'reserved.devices': DEVICES_LEFT };
  return [
    { $set: { releasing: entries(given) } },
    { $set: { ...reserved, reservations: { $arrayToObject: entries({ $not: [given] }) } } },
    { $set: { licensed: LICENSED } },
    { $unset: 'releasing' },
  ];
}

/** Which licences are still taken there; a host without any says nothing of it. */
const LICENSED: Document = {
  $let: {
    vars: {
      names: {
        $reduce: {
          input: { $objectToArray: '$reservations' },
          initialValue: [],
          in: { $setUnion: ['$$value', { $ifNull: ['$$this.v.licences', []] }] },
        },
      },
    },
    in: { $cond: [{ $eq: ['$$names', []] }, '$$REMOVE', '$$names'] },
  },
};

/** Of what is reserved of each device what is being released is taken off; a host without any keeps none. */
const DEVICES_LEFT: Document = {
  $cond: [
    { $eq: [{ $type: '$reserved.devices' }, 'object'] },
    {
      $arrayToObject: {
        $map: {
          input: { $objectToArray: '$reserved.devices' },
          as: 'device',
          in: { k: '$$device.k', v: { $subtract: ['$$device.v', devicesHeld('$$device.k', '$releasing')] } },
        },
      },
    },
    '$$REMOVE',
  ],
};

/** How many of one device these entries hold together. */
export function devicesHeld(device: string, entries: Document | string): Document {
  const held = { $objectToArray: { $ifNull: ['$$entry.v.amount.devices', {}] } };
  const same = { $filter: { input: held, as: 'held', cond: { $eq: ['$$held.k', device] } } };
  const each = {
    $map: { input: entries, as: 'entry', in: { $sum: { $map: { input: same, in: '$$this.v' } } } },
  };
  return { $sum: each };
}

/** A condition on a host: it has so much left. Documents of hosts without devices have none to read. */
function roomFor(d: Dimension, more: number): Document {
  const of = (what: string) => (isDevice(d) ? { $ifNull: [`$${what}.${pathOf(d)}`, 0] } : `$${what}.${d}`);
  return { $lte: [{ $add: [of('reserved'), more] }, of('fingerprint.capacity')] };
}

function incrementsOf(amount: Capacity): Record<string, number> {
  return Object.fromEntries(dimensionsOf(amount).map((d) => [`reserved.${pathOf(d)}`, amountOf(amount, d)]));
}
