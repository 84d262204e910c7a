import type { Collection } from 'mongodb';
import type { HostLiveness, HostRecord, LivenessPolicy } from '../domain/host';
import type { HostId } from '../domain/ids';
import { fromStored, type Stored } from './documents';

/** What the site's watch asks of its hosts, twice a second: of none the long lists, unless something is in them. */
export function hostWatch(hosts: Collection<Stored<HostRecord>>) {
  return {
    /**
     * Marks silent hosts; what a heartbeat wrote meanwhile is never overwritten.
     * @param seeingSince since when heartbeats could have been recorded at all
     */
    async markSilent(
      now: number,
      seeingSince: number,
      policy: LivenessPolicy,
    ): Promise<{ id: string; liveness: HostLiveness }[]> {
      const changed: { id: string; liveness: HostLiveness }[] = [];
      const steps: [HostLiveness, HostLiveness[], number][] = [
        ['lost', ['up', 'suspect'], now - policy.lostAfterMillis],
        ['suspect', ['up'], now - policy.suspectAfterMillis],
      ];
      for (const [liveness, from, silentSince] of steps) {
        if (seeingSince > silentSince) continue;
        const silent = { liveness: { $in: from }, lastHeartbeatAt: { $lte: silentSince } };
        const ids = await hosts.find(silent, { projection: { _id: 1 } }).toArray();
        for (const { _id } of ids) {
          const result = await hosts.updateOne({ _id, ...silent }, { $set: { liveness } });
          if (result.modifiedCount === 1) changed.push({ id: _id, liveness });
        }
      }
      return changed;
    },

    /** Those that report VEEs that have ended by themselves. It is asked often, and mostly there are none. */
    async withExited(): Promise<Pick<HostRecord, 'id' | 'reported' | 'reportedAt'>[]> {
      const docs = await hosts
        .find({ 'reported.state': 'EXITED' }, { projection: { reported: 1, reportedAt: 1 } })
        .sort({ _id: 1 })
        .toArray();
      return docs.map(({ _id, reported, reportedAt }) => ({ id: _id as HostId, reported, reportedAt }));
    },

    /** Those that fell silent for good, fenced or not. */
    async lost(): Promise<Omit<HostRecord, 'reservations' | 'reported'>[]> {
      const lost = hosts.find({ liveness: 'lost' }, { projection: { reservations: 0, reported: 0 } });
      return (await lost.sort({ _id: 1 }).toArray()).map((d) => fromStored<HostRecord>(d));
    },
  };
}
