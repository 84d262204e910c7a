import type { Collection, Document } from 'mongodb';
import type { HostRecord } from '../domain/host';
import type { HostId, VeeId } from '../domain/ids';
import { countedLoad, type HostLoad, type Usage } from '../domain/measured';
import type { SnapshotHost } from '../domain/placement/model';
import type { Stored } from './documents';

/** What was measured counts for so long, though nothing is measured any more: an agent that restarts needs a moment. */
const KEPT_MILLIS = 60_000;

/** A host with what is in use of it, as far as decisions go. */
export function withLoad(
  { measured: _, ...host }: SnapshotHost,
  load: HostLoad | null | undefined,
): SnapshotHost {
  return load
    ? { ...host, measured: countedLoad(load, host.reserved, host.capacity, host.physical ?? undefined) }
    : host;
}

/** A copy of a VEE, which may be reported by two hosts for a while. */
export const copyKey = (veeId: string, epoch: number): string => `${veeId}@${epoch}`;

/** What is measured of hosts and of what they run. */
export function hostLoads(hosts: Collection<Stored<HostRecord>>) {
  return {
    /** What VEEs really use, by `copyKey`, of those that it is measured of. */
    async usage(): Promise<Map<string, Usage>> {
      const reports = hosts.find({ 'reported.used': { $exists: true } } as Document, {
        projection: { 'reported.veeId': 1, 'reported.epoch': 1, 'reported.used': 1 },
      });
      const used = new Map<string, Usage>();
      for await (const { reported } of reports)
        for (const copy of reported)
          if (copy.used) used.set(copyKey(copy.veeId as VeeId, copy.epoch), copy.used);
      return used;
    },

    /** Of each host of which anything is measured, and nothing else of it. */
    async loads(): Promise<Map<HostId, HostLoad>> {
      const docs = hosts.find({ measured: { $type: 'object' } } as Document, {
        projection: { measured: 1 },
      });
      const loads = new Map<HostId, HostLoad>();
      for await (const { _id, measured } of docs) if (measured) loads.set(_id as HostId, measured);
      return loads;
    },

    async forgetStaleLoad(id: HostId, now: number): Promise<void> {
      await hosts.updateOne({ _id: id, 'measured.at': { $not: { $gt: now - KEPT_MILLIS } } } as Document, {
        $set: { measured: null },
      });
    },
  };
}
