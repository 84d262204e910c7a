import type { Db } from 'mongodb';
import type { HostId, OperationId, ServiceId, SiteId } from '../domain/ids';
import type { Policy, PolicySetting } from '../domain/placement/model';

/** What an orderly shutdown has closed and stilled, for the power-up that follows. */
export interface Shutdown {
  readonly operationId: OperationId;
  readonly since: number;
  /** Hosts that were open until then. */
  readonly hosts: readonly HostId[];
  readonly services: readonly ServiceId[];
}

/** The policy in force now: each decision asks anew, so that a change counts from the next one on. */
export const policyInForce =
  (store: { readonly site: ReturnType<typeof siteRepository> }, id: SiteId, initial: Policy) =>
  async (): Promise<Policy> =>
    (await store.site.placement(id))?.policy ?? initial;

/** The one document about the site as a whole. */
export function siteRepository(db: Db) {
  const site = db.collection<{ _id: string; shutdown?: Shutdown | null; placement?: PolicySetting }>('site');
  return {
    async shutdown(id: SiteId): Promise<Shutdown | undefined> {
      return (await site.findOne({ _id: id }))?.shutdown ?? undefined;
    },

    /** The first record of an operation stays. */
    async beginShutdown(id: SiteId, shutdown: Shutdown): Promise<void> {
      if ((await this.shutdown(id))?.operationId === shutdown.operationId) return;
      await site.updateOne({ _id: id }, { $set: { shutdown } }, { upsert: true });
    },

    async noteStilled(id: SiteId, serviceId: ServiceId): Promise<void> {
      await site.updateOne({ _id: id, shutdown: { $ne: null } }, {
        $addToSet: { 'shutdown.services': serviceId },
      } as never);
    },

    async endShutdown(id: SiteId): Promise<void> {
      await site.updateOne({ _id: id }, { $set: { shutdown: null } });
    },

    /** Nothing where nobody has set one. */
    async placement(id: SiteId): Promise<PolicySetting | undefined> {
      return (await site.findOne({ _id: id }))?.placement;
    },

    /** @returns what is in force then: what was set before, where that is the same */
    async setPlacement(id: SiteId, placement: PolicySetting): Promise<PolicySetting> {
      // Of a site where nothing was set `null` finds that there is none, too.
      const other = { _id: id, 'placement.policy.name': { $ne: placement.policy?.name ?? null } };
      await site.updateOne({ _id: id }, { $setOnInsert: { shutdown: null } }, { upsert: true });
      await site.updateOne(other as never, { $set: { placement } });
      return (await this.placement(id)) ?? placement;
    },
  };
}
