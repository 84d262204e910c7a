import type { Db, MongoClient } from 'mongodb';
import { SluiceError } from '../domain/errors';
import type { OperationId, ServiceId, TenantId } from '../domain/ids';
import type { Manifest } from '../domain/manifest/schema';
import { DEFAULT_SLA_CLASS, type SlaClass } from '../domain/manifest/sla-class';
import type { OperationRecord } from '../domain/operation/operation';
import type { Stay } from '../domain/placement/promised';
import { NEXT_PHASES, type ServicePhase, type ServiceRecord, stayOfService } from '../domain/service/service';
import { isDuplicateKey } from './connect';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';

interface ManifestDocument {
  _id: string;
  manifest: Manifest;
}

/** What the end or the beginning of a re-composition changes. */
export type ServiceChange = Partial<
  Pick<ServiceRecord, 'manifestDigest' | 'manifestOperationId' | 'instances' | 'recomposition'>
>;

export function serviceRepository(client: MongoClient, db: Db) {
  const operations = db.collection<Stored<OperationRecord>>('operations');
  const services = db.collection<Stored<ServiceRecord>>('services');
  // Content-addressed: a digest never changes its meaning, so a workflow may carry it instead of the text.
  const manifests = db.collection<ManifestDocument>('manifests');

  return {
    async get(id: ServiceId): Promise<ServiceRecord | undefined> {
      const doc = await services.findOne({ _id: id });
      return doc ? fromStored<ServiceRecord>(doc) : undefined;
    },

    async all(): Promise<ServiceRecord[]> {
      return (await services.find().toArray()).map((d) => fromStored<ServiceRecord>(d));
    },

    /** Those that are not over. */
    async living(): Promise<ServiceRecord[]> {
      const docs = await services.find({ phase: { $ne: 'decommissioned' } }).toArray();
      return docs.map((d) => fromStored<ServiceRecord>(d));
    },

    /** Of those that are not over: which have an end, as also those have that use a reservation. */
    async limited(): Promise<ServiceRecord[]> {
      const docs = await services.find({ live: true, until: { $exists: true } } as never).toArray();
      return docs.map((d) => fromStored<ServiceRecord>(d));
    },

    /** How long their VEEs stay. */
    async stays(): Promise<Map<ServiceId, Stay>> {
      return new Map(
        (await this.limited()).flatMap((service) => {
          const stay = stayOfService(service);
          return stay ? [[service.id, stay]] : [];
        }),
      );
    },

    /**
     * @param until when it is to end, or that it is not to end by itself
     * @returns false when the service has changed since it was read
     */
    async setUntil(
      { id, generation }: Pick<ServiceRecord, 'id' | 'generation'>,
      until: number | undefined,
      now: number,
    ): Promise<boolean> {
      const result = await services.updateOne({ _id: id, generation }, {
        ...(until === undefined ? { $unset: { until: '' } } : {}),
        $set: { updatedAt: now, ...(until === undefined ? {} : { until }) },
        $inc: { generation: 1 },
      } as never);
      return result.matchedCount === 1;
    },

    /** Of those that are not over. */
    async phases(): Promise<Map<ServiceId, ServicePhase>> {
      const docs = await services
        .find({ phase: { $ne: 'decommissioned' } }, { projection: { phase: 1 } })
        .toArray();
      return new Map(docs.map((d) => [d._id as ServiceId, d.phase]));
    },

    /** The one of that name that is not decommissioned: a unique index keeps it to one. */
    async named(tenantId: TenantId, name: string): Promise<ServiceRecord | undefined> {
      const doc = await services.findOne({ tenantId, name, phase: { $ne: 'decommissioned' } });
      return doc ? fromStored<ServiceRecord>(doc) : undefined;
    },

    page(
      filter: {
        tenantId?: TenantId | undefined;
        phase?: ServicePhase | undefined;
        name?: string | undefined;
      },
      request: PageRequest,
    ) {
      const set = Object.fromEntries(Object.entries(filter).filter(([, v]) => v !== undefined));
      return findPage<ServiceRecord>(services, set, 'createdAt', request);
    },

    async putManifest(digest: string, manifest: Manifest): Promise<void> {
      await manifests.updateOne({ _id: digest }, { $setOnInsert: { manifest } }, { upsert: true });
    },

    async manifest(digest: string): Promise<Manifest> {
      const doc = await manifests.findOne({ _id: digest });
      if (!doc) throw new SluiceError('not-found', `There is no manifest ${digest}.`);
      return doc.manifest;
    },

    /** Those of the digests that there are. */
    async manifests(digests: readonly string[]): Promise<Map<string, Manifest>> {
      const docs = await manifests.find({ _id: { $in: [...new Set(digests)] } }).toArray();
      return new Map(docs.map((d) => [d._id, d.manifest]));
    },

    /** What those of them that there are, or were, are called. */
    async names(ids: readonly ServiceId[]): Promise<Map<ServiceId, string>> {
      const docs = await services.find({ _id: { $in: [...ids] } }, { projection: { name: 1 } }).toArray();
      return new Map(docs.map((d) => [d._id as ServiceId, d.name]));
    },

    async slaClass({ manifestDigest }: Pick<ServiceRecord, 'manifestDigest'>): Promise<SlaClass> {
      return (await this.manifest(manifestDigest)).slaClass ?? DEFAULT_SLA_CLASS;
    },

    /**
     * Records a service and the operation that is to provision it, both or neither: a process that dies in
     * between must not leave a name that is taken for ever.
     * @returns the service that holds the name: the given one, or one that was there before
     */
    async create(service: ServiceRecord, provisioning: OperationRecord): Promise<ServiceRecord> {
      try {
        await client.withSession((session) =>
          session.withTransaction(async () => {
            await services.insertOne({ ...toStored(service), live: true } as Stored<ServiceRecord>, {
              session,
            });
            await operations.insertOne(toStored(provisioning), { session });
          }),
        );
        return service;
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        const holder = (await this.named(service.tenantId, service.name)) ?? (await this.get(service.id));
        if (!holder)
          throw new SluiceError('conflict', `The name "${service.name}" was taken and freed meanwhile.`);
        return holder;
      }
    },

    /**
     * Enters a phase, and changes with it what belongs to it. Being in it already is a success; a move that the
     * lifecycle forbids is not.
     */
    async enterPhase(
      id: ServiceId,
      phase: ServicePhase,
      operationId: OperationId,
      now: number,
      change: ServiceChange = {},
    ): Promise<void> {
      const from = (Object.keys(NEXT_PHASES) as ServicePhase[]).filter((p) => NEXT_PHASES[p].includes(phase));
      const result = await services.updateOne(
        { _id: id, phase: { $in: from }, history: { $not: { $elemMatch: { phase, operationId } } } },
        {
          $set: {
            ...change,
            phase,
            updatedAt: now,
            ...(phase === 'decommissioned' ? { live: false } : {}),
          } as Partial<ServiceRecord>,
          $push: { history: { phase, at: now, operationId } } as never,
          $inc: { generation: 1 },
        },
      );
      if (result.modifiedCount === 1) return;
      const current = await this.get(id);
      if (!current) throw new SluiceError('not-found', `There is no service ${id}.`);
      // A repeat may come late: the operation itself can have led the service further by then.
      if (current.history.some((h) => h.phase === phase && h.operationId === operationId)) return;
      throw new SluiceError('transition-illegal', `${id} is ${current.phase}, which can't become ${phase}.`);
    },

    async setInstances(id: ServiceId, component: string, count: number, now: number): Promise<void> {
      await services.updateOne(
        { _id: id, [`instances.${component}`]: { $ne: count } },
        { $set: { [`instances.${component}`]: count, updatedAt: now } as never, $inc: { generation: 1 } },
      );
    },
  };
}
