import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import type { HostFingerprint } from '../../domain/host';
import { type AgentId, type HostId, NAME_PATTERN } from '../../domain/ids';
import { type Identity, makeToken } from '../../store/identities';
import type { ApiDeps } from '../deps';
import { planOf } from '../dry-run';
import { checkMatch, dryRunQuery, etagOf, json, pageQuery, type Route, route } from '../route';
import { hostSchema, pageOf } from '../schemas';
import { hostView } from '../views';

const name = z.string().regex(NAME_PATTERN);
const byId = z.strictObject({ id: z.string().max(63) });
const amount = z.int().min(0);
const capacity = z.strictObject({
  cpuMillis: amount,
  memoryMiB: amount,
  diskMiB: amount,
  bandwidthKbps: amount,
});

const fingerprintSchema: z.ZodType<HostFingerprint> = z.strictObject({
  driver: name,
  description: z.string().max(200),
  real: z.boolean(),
  capabilities: z.strictObject({
    pause: z.boolean(),
    suspend: z.boolean(),
    liveResize: z.boolean(),
    migration: z.enum(['live', 'cold', 'none']),
    exec: z.boolean(),
    logs: z.boolean(),
    enforces: z.strictObject({ cpu: z.boolean(), memory: z.boolean(), disk: z.boolean() }),
  }),
  capacity,
  images: z.array(z.string().max(128)).max(1_000),
  attributes: z.record(z.string().max(63), z.string().max(200)),
});

const joinSchema = z.strictObject({
  agentId: name,
  hosts: z
    .array(
      z.strictObject({
        id: name,
        zone: name,
        labels: z.record(z.string().max(63), z.string().max(63)),
        fingerprint: fingerprintSchema,
      }),
    )
    .min(1)
    .max(1_000),
});

/** A report is taken to be so much older than its agent says: it was on its way. */
const TRANSIT_MILLIS = 100;

const reportSchema = z.strictObject({
  ageMillis: z.int().min(0).max(60_000).describe('How long ago the agent began to collect it'),
  hosts: z
    .array(
      z.strictObject({
        hostId: name,
        vees: z
          .array(
            z.strictObject({
              veeId: z.string().max(64),
              epoch: z.int(),
              state: z.enum(['DEFINED', 'ACTIVE', 'PAUSED', 'SUSPENDED', 'DESTROYED', 'EXITED']),
            }),
          )
          .max(10_000),
      }),
    )
    .max(1_000),
});

export function hostRoutes(deps: ApiDeps): Route[] {
  const { store, siteId } = deps;

  /** A join token brings new hosts in, or takes over lost ones; it must not be a way to one that is served. */
  async function mayServe(identity: Identity, agentId: AgentId, hostIds: readonly HostId[]): Promise<void> {
    const joining = identity.agentId === undefined;
    for (const host of await store.hosts.all()) {
      const lost = host.liveness === 'lost';
      if (joining && host.agentId === agentId && !lost)
        throw new SluiceError(
          'conflict',
          `The agent ${agentId} serves ${host.id}; another may take its name when that is lost.`,
        );
      const free = host.agentId === agentId || (joining && lost);
      if (hostIds.includes(host.id) && !free)
        throw new SluiceError('conflict', `The host ${host.id} is served by ${host.agentId}.`);
    }
  }

  return [
    route({
      method: 'get',
      path: '/v1/hosts',
      tag: 'hosts',
      summary: 'List hosts',
      roles: ['operator'],
      query: pageQuery,
      responses: { 200: { description: 'A page', schema: pageOf(hostSchema) } },
      handler: async ({ query }) => {
        const { items, ...rest } = await store.hosts.page(query);
        return { status: 200, body: { items: items.map(hostView), ...rest } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/hosts/{id}',
      tag: 'hosts',
      summary: 'One host',
      roles: ['operator'],
      params: byId,
      responses: { 200: { description: 'The host', schema: hostSchema } },
      handler: async ({ params }) => {
        const host = await store.hosts.get(params.id as HostId);
        if (!host) throw new SluiceError('not-found', 'There is no such host.');
        return {
          status: 200,
          body: { ...hostView(host), reservations: host.reservations, reported: host.reported },
          headers: etagOf(host),
        };
      },
    }),
    ...(['cordon', 'uncordon'] as const).map((verb) =>
      route({
        method: 'post',
        path: `/v1/hosts/{id}/${verb}`,
        tag: 'hosts',
        summary: verb === 'cordon' ? 'Place nothing new on it' : 'Place on it again',
        roles: ['operator'],
        params: byId,
        query: dryRunQuery,
        responses: { 200: { description: 'The host; for a dry run, the plan', schema: hostSchema } },
        write: true,
        dryRun: true,
        ifMatch: true,
        handler: async ({ params, ifMatch, dryRun }) => {
          const id = params.id as HostId;
          const current = await store.hosts.get(id);
          if (!current) throw new SluiceError('not-found', 'There is no such host.');
          checkMatch(ifMatch, current);
          if (dryRun) return planOf(`host.${verb}`, [`${verb} ${id}`]);
          const host = await store.hosts.setCordoned(id, verb === 'cordon', ifMatch);
          if (!host) throw new SluiceError('stale-etag', 'It changed since you read it.');
          return { status: 200, body: hostView(host), headers: etagOf(host) };
        },
      }),
    ),
    route({
      method: 'post',
      path: '/v1/join-tokens',
      tag: 'hosts',
      summary: 'Make a token that lets agents join the site',
      roles: ['operator'],
      body: json(z.strictObject({ ttlMillis: z.int().min(1_000).max(604_800_000).default(3_600_000) })),
      responses: {
        201: {
          description: 'The token; it is shown once',
          schema: z.object({ token: z.string(), expiresAt: z.int() }),
        },
      },
      handler: async ({ body }) => {
        const token = makeToken('join');
        const expiresAt = Date.now() + body.ttlMillis;
        await store.identities.putJoinToken(token, expiresAt);
        return { status: 201, body: { token, expiresAt } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/agents/join',
      tag: 'agents',
      summary: 'An agent announces its hosts and gets a token of its own',
      roles: ['agent'],
      body: json(joinSchema),
      responses: {
        200: {
          description: 'The agent’s token',
          schema: z.object({ token: z.string().optional().describe('Absent when it came with its own') }),
        },
      },
      handler: async ({ identity, body }) => {
        const agentId = body.agentId as AgentId;
        const returning = identity.agentId !== undefined;
        if (returning && identity.agentId !== agentId)
          throw new SluiceError('forbidden', `The token is ${identity.agentId}’s, not ${agentId}’s.`);
        const hostIds = body.hosts.map((h) => h.id as HostId);
        await mayServe(identity, agentId, hostIds);
        const now = Date.now();
        for (const { id, zone, labels, fingerprint } of body.hosts)
          await store.hosts.join({ id: id as HostId, siteId, agentId, zone, labels, fingerprint }, now);
        if (returning) {
          await store.identities.setHosts(identity.id, hostIds);
          return { status: 200, body: {} };
        }
        const token = makeToken('agent');
        // Whoever spoke for these hosts, or under this name, does so no longer.
        await store.identities.revokeAgent(agentId);
        await store.identities.withdrawHosts(hostIds);
        await store.identities.grant(token, {
          role: 'agent',
          name: agentId,
          agentId,
          hostIds,
          createdAt: now,
        });
        return { status: 200, body: { token } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/agents/heartbeat',
      tag: 'agents',
      summary: 'An agent reports that it lives, and what its hosts run',
      roles: ['agent'],
      body: json(reportSchema),
      responses: { 204: { description: 'Noted' } },
      handler: async ({ identity, body }) => {
        const { agentId, hostIds = [] } = identity;
        if (!agentId) throw new SluiceError('forbidden', 'A join token can only join.');
        const now = Date.now();
        // A host that was taken over is no longer its to speak for; the others still are.
        const own = body.hosts.filter((h) => hostIds.includes(h.hostId as HostId));
        if (own.length === 0) throw new SluiceError('forbidden', `None of these hosts is ${agentId}’s.`);
        const collectedAt = now - body.ageMillis - TRANSIT_MILLIS;
        for (const { hostId, vees } of own) {
          const known = await store.hosts.heartbeat(hostId as HostId, agentId, vees, now, collectedAt);
          if (!known) throw new SluiceError('not-found', `${hostId} has not joined.`);
        }
        return { status: 204 };
      },
    }),
  ];
}
