import { createHash, randomBytes } from 'node:crypto';
import type { Db } from 'mongodb';
import type { AgentId, HostId, TenantId } from '../domain/ids';
import type { Apartness } from '../domain/placement/model';
import { apartnessOf } from '../domain/placement/tenancy';
import { findPage, fromStored, type PageRequest, type Stored } from './documents';

export type Role = 'operator' | 'tenant' | 'agent';

/** Who a token speaks for. Only the token's digest is stored, so a stolen database holds no token. */
export interface Identity {
  readonly id: string;
  readonly role: Role;
  readonly name: string;
  readonly tenantId?: TenantId;
  readonly agentId?: AgentId;
  readonly hostIds?: readonly HostId[];
  readonly createdAt: number;
}

export interface TenantRecord {
  readonly id: TenantId;
  readonly createdAt: number;
  /** With whom its VEEs must not share a host, as far as it was said of this one. */
  readonly apartFrom?: readonly TenantId[];
}

interface JoinToken {
  _id: string;
  expiresAt: Date;
}

export const digestOf = (token: string) => createHash('sha256').update(token).digest('hex');
export const makeToken = (role: Role | 'join') => `sluice_${role}_${randomBytes(24).toString('base64url')}`;

export function identityRepository(db: Db) {
  const tokens = db.collection<Stored<Identity>>('tokens');
  const tenants = db.collection<Stored<TenantRecord>>('tenants');
  const joinTokens = db.collection<JoinToken>('joinTokens');

  return {
    async byToken(token: string): Promise<Identity | undefined> {
      const doc = await tokens.findOne({ _id: digestOf(token) });
      return doc ? ({ ...doc, id: doc._id } as Identity) : undefined;
    },

    async grant(token: string, identity: Omit<Identity, 'id'>): Promise<void> {
      await tokens.updateOne({ _id: digestOf(token) }, { $set: identity }, { upsert: true });
    },

    async setHosts(id: string, hostIds: readonly HostId[]): Promise<void> {
      await tokens.updateOne({ _id: id }, { $set: { hostIds } });
    },

    async revokeAgent(agentId: AgentId): Promise<void> {
      await tokens.deleteMany({ agentId });
    },

    async withdrawHosts(hostIds: readonly HostId[]): Promise<void> {
      await tokens.updateMany({ hostIds: { $in: [...hostIds] } }, {
        $pull: { hostIds: { $in: [...hostIds] } },
      } as never);
    },

    async createTenant(id: TenantId, now: number): Promise<TenantRecord> {
      const doc = await tenants.findOneAndUpdate(
        { _id: id },
        { $setOnInsert: { createdAt: now } },
        { upsert: true, returnDocument: 'after' },
      );
      return { id, createdAt: doc?.createdAt ?? now };
    },

    /** @returns the tenant as it is then; undefined when there is none */
    async keepApart(id: TenantId, apartFrom: readonly TenantId[]): Promise<TenantRecord | undefined> {
      const options = { returnDocument: 'after' } as const;
      const doc = await tenants.findOneAndUpdate({ _id: id }, { $set: { apartFrom } }, options);
      return doc ? fromStored<TenantRecord>(doc) : undefined;
    },

    /** Who must not share a host with whom. */
    async apartness(): Promise<Apartness> {
      const declared = await tenants.find({ 'apartFrom.0': { $exists: true } } as never).toArray();
      return apartnessOf(declared.map((doc) => fromStored<TenantRecord>(doc)));
    },

    hasTenant: async (id: TenantId) => (await tenants.findOne({ _id: id })) !== null,

    tenants: (request: PageRequest) => findPage<TenantRecord>(tenants, {}, 'createdAt', request),

    async putJoinToken(token: string, expiresAt: number): Promise<void> {
      await joinTokens.updateOne(
        { _id: digestOf(token) },
        { $set: { expiresAt: new Date(expiresAt) } },
        { upsert: true },
      );
    },

    async isJoinToken(token: string, now: number): Promise<boolean> {
      return (await joinTokens.findOne({ _id: digestOf(token), expiresAt: { $gt: new Date(now) } })) !== null;
    },
  };
}
