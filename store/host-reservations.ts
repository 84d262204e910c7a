import type { ClientSession, Collection, Document } from 'mongodb';
import type { HostRecord } from '../domain/host';
import type { HostId, OperationId, TenantId, VeeId } from '../domain/ids';
import type { LicencedPlace } from '../domain/placement/licences';
import type { Stay } from '../domain/placement/promised';
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
import type { LicenceRepository } from './licences';

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

/** What VEEs hold on hosts, and the sums of it: always changed together, in one write to one document. */
export function hostReservations(
  hosts: Collection<Stored<HostRecord>>,
  ledger: Pick<LicenceRepository, 'claim'>,
) {
  /** One write, and in a transaction where it takes licences: what others have taken of them is on other hosts. */
  async function write(
    places: readonly LicencedPlace[],
    update: (session?: ClientSession) => Promise<{ readonly matchedCount: number }>,
  ): Promise<boolean> {
    const taking = places.filter((p) => p.licences.length > 0);
    const made = async (session?: ClientSession) => (await update(session)).matchedCount === 1;
    return taking.length === 0 ? made() : ledger.claim(taking, made);
  }

  return {
    /**
     * Holds capacity for several VEEs on one host: one conditional update of one document, so either all
     * are held or none. Repeating it under the same operation is a success that changes nothing.
     */
    async reserve(
      id: HostId,
      operationId: OperationId,
      needs: ReadonlyMap<string, Capacity>,
      now: number,
      { tenantId, others = [], licences = new Map(), stay = {} }: Tenancy,
    ): Promise<boolean> {
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
      // Never taken off again: it only says where to look (`store/licences.ts`).
      const marked = licences.size > 0 ? { licenced: true } : {};
      const places = [...needs].map(([k, { cpuMillis }]) => ({
        ...{ veeId: k as VeeId, hostId: id, cpuMillis, licences: licences.get(k) ?? [] },
      }));
      const coming = [...needs].map(([k, amount]) => ({ k, v: { amount, ...stay } }));
      const held = { $concatArrays: [HELD, { $literal: coming }] };
      const dimensions = dimensionsOf(total);
      const fits = holds({ held, promised: PROMISED, now, until: stay.freeAt, dimensions });
      const reserved = await write(places, (session) =>
        hosts.updateOne(
          {
            ...{ _id: id, liveness: 'up', cordoned: false, $and: absent },
            $expr: { $and: [...room, fits, ...(others.length > 0 ? [nothingOf(others)] : [])] },
          } as Document,
          { $set: { ...Object.fromEntries(entries), ...marked }, $inc: incrementsOf(total, 1) },
          session ? { session } : {},
        ),
      );
      if (reserved) return true;
      const known = (await hosts.findOne({ _id: id }))?.reservations ?? {};
      return keys.every((k) => known[k]?.operationId === operationId);
    },

    /**
     * Gives back what one VEE holds on a host. With `operationId` only if that operation took it: an undo
     * must not free what somebody else holds. The condition on the entry makes it happen once.
     */
    async release(id: HostId, veeId: string, operationId?: string): Promise<void> {
      const held = (await hosts.findOne({ _id: id }))?.reservations[veeId];
      if (!held || (operationId !== undefined && held.operationId !== operationId)) return;
      await hosts.updateOne(
        {
          _id: id,
          [`reservations.${veeId}.operationId`]: held.operationId,
          [`reservations.${veeId}.since`]: held.since,
        } as Document,
        { $unset: { [`reservations.${veeId}`]: '' }, $inc: incrementsOf(held.amount, -1) } as Document,
      );
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
      const fits = holds({ held: grown, promised: PROMISED, now, until: held.freeAt, dimensions: growing });
      const { cpuMillis } = to;
      const place = { veeId: veeId as VeeId, hostId: id, cpuMillis, licences: held.licences ?? [] };
      return write([place], (session) =>
        hosts.updateOne(
          {
            _id: id,
            [`reservations.${veeId}.amount`]: held.amount,
            $expr: { $and: [...room, fits] },
          } as Document,
          { $set: { [`reservations.${veeId}.amount`]: to }, $inc: incrementsOf(more, 1) } as Document,
          session ? { session } : {},
        ),
      );
    },
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
    { $unset: 'releasing' },
  ];
}

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

function incrementsOf(amount: Capacity, sign: 1 | -1): Record<string, number> {
  return Object.fromEntries(
    dimensionsOf(amount).map((d) => [`reserved.${pathOf(d)}`, sign * amountOf(amount, d)]),
  );
}
