import { groupBy } from '../group-by';
import type { HostRecord, ReportedState, ReportedVee } from '../host';
import type { HostId, VeeId } from '../ids';
import type { VeeRecord } from '../vee/vee';
import type { DriftState } from './model';

/** One host's word on one VEE. */
export interface Copy extends ReportedVee {
  readonly host: HostRecord;
}

/** Holds processor time, or would go on from where it was. */
export const runs = ({ state }: { readonly state: ReportedState }) =>
  state === 'ACTIVE' || state === 'PAUSED';

/** Has run since it was made here: so it, rather than what it was made from, is the VEE. */
export const hasRun = ({ state }: { readonly state: ReportedState }) =>
  state === 'ACTIVE' || state === 'PAUSED' || state === 'SUSPENDED' || state === 'EXITED';

/**
 * Does this host's word count for this VEE? Not when it is silent, and not when it spoke before the record was last
 * changed.
 */
export const speaks = (
  host: HostRecord | undefined,
  vee: Pick<VeeRecord, 'updatedAt'> | undefined,
): boolean => host !== undefined && host.liveness === 'up' && host.reportedAt > (vee?.updatedAt ?? 0);

/** What all hosts said last, by VEE. */
export class Copies {
  readonly hosts: ReadonlyMap<HostId, HostRecord>;
  private readonly byVee: ReadonlyMap<string, readonly Copy[]>;

  constructor({ hosts }: Pick<DriftState, 'hosts'>) {
    this.hosts = new Map(hosts.map((h) => [h.id, h]));
    this.byVee = groupBy(
      hosts.flatMap((host) =>
        host.reported.filter((r) => r.state !== 'DESTROYED').map((r) => ({ ...r, host })),
      ),
      (c) => c.veeId,
    );
  }

  of(id: VeeId): readonly Copy[] {
    return this.byVee.get(id) ?? [];
  }

  veeIds(): VeeId[] {
    return [...this.byVee.keys()] as VeeId[];
  }

  /**
   * Why a copy of this VEE must not be started on its own host now: another may run, as far as can be known. A host that
   * does not answer can only have one when the VEE holds a place there (a migration to it gives that back last of all).
   */
  startObstacle(vee: VeeRecord): string | undefined {
    for (const c of this.of(vee.id)) {
      if (c.host.id === vee.hostId) continue;
      if (c.epoch >= vee.epoch) return `${c.host.id} has it too, at epoch ${c.epoch}`;
      if (runs(c) && c.host.liveness === 'up') return `a superseded copy runs on ${c.host.id}`;
    }
    return this.silentHolder(vee);
  }

  /** A host that may have a copy of it, and does not say so. */
  silentHolder(vee: VeeRecord): string | undefined {
    for (const host of this.hosts.values())
      if (host.id !== vee.hostId && host.reservations[vee.id] && !speaks(host, vee))
        return `it holds a place on ${host.id}, which does not answer`;
    return undefined;
  }
}
