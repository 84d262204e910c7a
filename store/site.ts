import type { Db } from 'mongodb';
import type { HostId, OperationId, ServiceId, SiteId } from '../domain/ids';
import type { AlgorithmSetting, AlgorithmSettings, BrokenAlgorithm } from '../domain/placement/algorithms';
import type { SpareRule } from '../domain/placement/model';
import type { PolicySetting } from '../domain/placement/policy';

/** What an orderly shutdown has closed and stilled, for the power-up that follows. */
export interface Shutdown {
  readonly operationId: OperationId;
  readonly since: number;
  /** Hosts that were open until then. */
  readonly hosts: readonly HostId[];
  readonly services: readonly ServiceId[];
}

/** The room that somebody wants to be kept for losses. */
export interface SpareSetting extends SpareRule {
  readonly since: number;
  readonly setBy: string;
  /** Of the request, which may be repeated. */
  readonly requestedAs: OperationId;
}

/** The one document about the site as a whole. */
export function siteRepository(db: Db) {
  const site = db.collection<{
    _id: string;
    shutdown?: Shutdown | null;
    placement?: PolicySetting;
    spare?: SpareSetting | null;
    algorithms?: AlgorithmSettings;
  }>('site');
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
      const isOther = [
        { 'placement.policy': { $ne: placement.policy ?? null } },
        { 'placement.switchedOut': { $exists: true } },
      ];
      await site.updateOne({ _id: id }, { $setOnInsert: { shutdown: null } }, { upsert: true });
      // A repeat of the request that set what is in force, or was switched out, sets nothing again.
      const fresh = { 'placement.requestedAs': { $ne: placement.requestedAs } };
      await site.updateOne({ _id: id, ...fresh, $or: isOther } as never, { $set: { placement } });
      return (await this.placement(id)) ?? placement;
    },

    async spare(id: SiteId): Promise<SpareSetting | undefined> {
      return (await site.findOne({ _id: id }, { projection: { spare: 1 } }))?.spare ?? undefined;
    },

    /** @param spare nothing where no room is to be kept any more @returns what counts from now on */
    async setSpare(id: SiteId, spare: SpareSetting | undefined): Promise<SpareSetting | undefined> {
      const { lose, least } = spare ?? {};
      const isOther = spare
        ? { $or: [{ 'spare.lose': { $ne: lose } }, { 'spare.least': { $ne: least } }] }
        : { spare: { $ne: null } };
      await site.updateOne({ _id: id }, { $setOnInsert: { shutdown: null } }, { upsert: true });
      await site.updateOne({ _id: id, ...isOther } as never, { $set: { spare: spare ?? null } });
      return this.spare(id);
    },

    /** By name; names have nothing in them that a path in a document could not have. */
    async algorithms(id: SiteId): Promise<AlgorithmSettings> {
      return (await site.findOne({ _id: id }, { projection: { algorithms: 1 } }))?.algorithms ?? {};
    },

    /** A repeat of the request changes nothing, also when it was switched out since. */
    async enableAlgorithm(id: SiteId, name: string, setting: AlgorithmSetting): Promise<AlgorithmSettings> {
      const at = `algorithms.${name}`;
      await site.updateOne({ _id: id }, { $setOnInsert: { shutdown: null } }, { upsert: true });
      const fresh = { [`${at}.requestedAs`]: { $ne: setting.requestedAs } };
      await site.updateOne({ _id: id, ...fresh } as never, { $set: { [at]: setting } });
      return this.algorithms(id);
    },

    async disableAlgorithm(id: SiteId, name: string): Promise<AlgorithmSettings> {
      await site.updateOne({ _id: id }, { $unset: { [`algorithms.${name}`]: '' } } as never);
      return this.algorithms(id);
    },

    /** Gives one up that broke, unless it has been enabled anew since. */
    async switchOutAlgorithm(
      id: SiteId,
      { name, because }: BrokenAlgorithm,
      { requestedAs }: Pick<AlgorithmSetting, 'requestedAs'>,
      at: number,
    ): Promise<void> {
      const path = `algorithms.${name}`;
      await site.updateOne(
        {
          _id: id,
          [`${path}.requestedAs`]: requestedAs,
          [`${path}.switchedOut`]: { $exists: false },
        } as never,
        { $set: { [`${path}.switchedOut`]: { because, at } } },
      );
    },

    /** Gives up what was set, unless something else has been set since, or it is given up already. */
    async switchOut(
      id: SiteId,
      { requestedAs }: Pick<PolicySetting, 'requestedAs'>,
      instead: Pick<PolicySetting, 'since' | 'switchedOut'>,
    ): Promise<void> {
      const placement: PolicySetting = { requestedAs, setBy: 'sluice', ...instead };
      await site.updateOne(
        { _id: id, 'placement.requestedAs': requestedAs, 'placement.switchedOut': { $exists: false } },
        { $set: { placement } },
      );
    },

    async noteToldOfSwitch(id: SiteId, { requestedAs }: Pick<PolicySetting, 'requestedAs'>): Promise<void> {
      await site.updateOne(
        { _id: id, 'placement.requestedAs': requestedAs, 'placement.switchedOut': { $exists: true } },
        { $set: { 'placement.switchedOut.told': true } },
      );
    },
  };
}
