import type { Db } from 'mongodb';
import type { HostId, OperationId, ServiceId, SiteId } from '../domain/ids';

/** What an orderly shutdown has closed and stilled, for the power-up that follows. */
export interface Shutdown {
  readonly operationId: OperationId;
  readonly since: number;
  /** Hosts that were open until then. */
  readonly hosts: readonly HostId[];
  readonly services: readonly ServiceId[];
}

/** The one document about the site as a whole. */
export function siteRepository(db: Db) {
  const site = db.collection<{ _id: string; shutdown?: Shutdown | null }>('site');
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
  };
}
