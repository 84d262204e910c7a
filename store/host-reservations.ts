import type { Collection, Document } from 'mongodb';
import type { HostRecord } from '../domain/host';
import type { HostId, OperationId, TenantId } from '../domain/ids';
import { type Capacity, DIMENSIONS, sum } from '../domain/units';
import type { Stored } from './documents';

/** Whose VEEs something is reserved for. */
export interface Tenancy {
  readonly tenantId: TenantId;
  /** Whose VEEs must not be on the same host: two that plan at once are kept apart here. */
  readonly others?: readonly TenantId[];
}

/** What VEEs hold on hosts, and the sums of it: always changed together, in one write to one document. */
export function hostReservations(hosts: Collection<Stored<HostRecord>>) {
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
      { tenantId, others = [] }: Tenancy,
    ): Promise<boolean> {
      const total = sum([...needs.values()]);
      const keys = [...needs.keys()];
      const room = DIMENSIONS.map((d) => ({
        $lte: [{ $add: [`$reserved.${d}`, total[d]] }, `$fingerprint.capacity.${d}`],
      }));
      const absent = keys.map((k) => ({ [`reservations.${k}`]: { $exists: false } }));
      const entries = [...needs].map(([k, amount]) => [
        `reservations.${k}`,
        { operationId, amount, since: now, tenantId },
      ]);
      const result = await hosts.updateOne(
        {
          ...{ _id: id, liveness: 'up', cordoned: false, $and: absent },
          $expr: { $and: [...room, ...(others.length > 0 ? [nothingOf(others)] : [])] },
        } as Document,
        { $set: Object.fromEntries(entries), $inc: incrementsOf(total, 1) },
      );
      if (result.modifiedCount === 1) return true;
      const held = (await hosts.findOne({ _id: id }))?.reservations ?? {};
      return keys.every((k) => held[k]?.operationId === operationId);
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
    async adjust(id: HostId, veeId: string, to: Capacity): Promise<boolean> {
      const held = (await hosts.findOne({ _id: id }))?.reservations[veeId];
      if (!held) return false;
      // What shrinks always fits, also on a host that has come back with less than it had.
      const room = DIMENSIONS.filter((d) => to[d] > held.amount[d]).map((d) => ({
        $lte: [{ $add: [`$reserved.${d}`, to[d] - held.amount[d]] }, `$fingerprint.capacity.${d}`],
      }));
      const delta = Object.fromEntries(DIMENSIONS.map((d) => [`reserved.${d}`, to[d] - held.amount[d]]));
      const result = await hosts.updateOne(
        { _id: id, [`reservations.${veeId}.amount`]: held.amount, $expr: { $and: room } } as Document,
        { $set: { [`reservations.${veeId}.amount`]: to }, $inc: delta } as Document,
      );
      return result.matchedCount === 1;
    },
  };
}

/** A condition on a host: nothing on it is of these tenants. */
const nothingOf = (tenants: readonly TenantId[]): Document => {
  const held = { $map: { input: { $objectToArray: '$reservations' }, in: '$$this.v.tenantId' } };
  return { $eq: [{ $size: { $setIntersection: [held, [...tenants]] } }, 0] };
};

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
  return [
    { $set: { releasing: entries(given) } },
    { $set: { ...Object.fromEntries(rest), reservations: { $arrayToObject: entries({ $not: [given] }) } } },
    { $unset: 'releasing' },
  ];
}

function incrementsOf(amount: Capacity, sign: 1 | -1): Record<string, number> {
  return Object.fromEntries(DIMENSIONS.map((d) => [`reserved.${d}`, sign * amount[d]]));
}
