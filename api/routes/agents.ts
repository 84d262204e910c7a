import { z } from 'zod';
import { economyOf, HOST_ECONOMY_FIELDS } from '../../domain/cost/host-economy';
import { SluiceError } from '../../domain/errors';
import type { HostFingerprint } from '../../domain/host';
import { capacityFields, FINGERPRINT_FIELDS, usageFields } from '../../domain/host-fields';
import { type AgentId, type HostId, NAME_PATTERN, type OperationId, type VeeId } from '../../domain/ids';
import { hasEnded } from '../../domain/operation/operation';
import { VEE_STATES } from '../../domain/vee/state-machine';
import { type CopyVerdict, type Standing, verdictOnCopy } from '../../domain/vee/superseded';
import type { Peer } from '../../store/hosts';
import { type Identity, makeToken } from '../../store/identities';
import { certificateAnswer, certificates } from '../certificate-schema';
import type { ApiDeps } from '../deps';
import { HostCertificates } from '../host-certificates';
import { json, type Route, route } from '../route';
import { apartEvent } from '../underlay-family';

// Agents are upgraded before the API is: whatever a newer one says beyond what is known here is left out, never refused.
const name = z.string().regex(NAME_PATTERN);
const amount = z.int().min(0);

const fingerprintSchema: z.ZodType<HostFingerprint> = z.object({
  ...FINGERPRINT_FIELDS,
  capabilities: z.object({
    pause: z.boolean(),
    suspend: z.boolean(),
    liveResize: z.boolean(),
    migration: z.enum(['live', 'cold', 'none']),
    exec: z.boolean(),
    logs: z.boolean(),
    enforces: z.object({ cpu: z.boolean(), memory: z.boolean(), disk: z.boolean() }),
    networks: z.boolean().optional().describe('Does it connect VEEs to networks?'),
    context: z.boolean().optional().describe('Does it give VEEs files, keys, user data and references?'),
  }),
});

const underlayAddress = z
  .union([z.ipv4(), z.ipv6()])
  .optional()
  .describe('Where other hosts send it what belongs to networks');
const joinSchema = z.object({
  agentId: name,
  certificates,
  hosts: z
    .array(
      z.object({
        id: name,
        zone: name,
        labels: z.record(z.string().max(63), z.string().max(63)),
        fingerprint: fingerprintSchema,
        underlayAddress,
        ...HOST_ECONOMY_FIELDS,
        price: HOST_ECONOMY_FIELDS.price.unwrap().strip().optional(),
        power: HOST_ECONOMY_FIELDS.power.unwrap().strip().optional(),
      }),
    )
    .min(1)
    .max(1_000),
});

/** A report is taken to be so much older than its agent says: it was on its way. */
const TRANSIT_MILLIS = 100;

/** So old may be what an agent is told of other hosts. */
const PEERS_MILLIS = 1_000;

const reportSchema = z.object({
  ageMillis: z.int().min(0).max(60_000).describe('How long ago the agent began to collect it'),
  certificates,
  hosts: z
    .array(
      z.object({
        hostId: name,
        underlayAddress,
        vees: z
          .array(
            z.object({
              veeId: z.string().max(64),
              epoch: z.int(),
              state: z.enum([...VEE_STATES, 'EXITED', 'INCOMING', 'OUTGOING']),
              capacity: capacityFields.optional().describe('Older agents leave it out'),
              used: usageFields.optional().describe('As measured; left out where it is not'),
              dirtyKbps: amount.optional().describe('At which rate it writes its memory, as measured'),
            }),
          )
          .max(10_000),
        measured: usageFields
          .optional()
          .describe('What is in use of the host; left out where it is not measured'),
        accounted: usageFields
          .optional()
          .describe(
            'What is asked for by those whose use is in that: what else is reserved counts beside it',
          ),
      }),
    )
    .max(1_000),
});

/** How agents join a site, and what they tell it. */
export function agentRoutes(deps: ApiDeps): Route[] {
  const { store, siteId } = deps;
  const hostCertificates = new HostCertificates(siteId, store);

  /** Only for hosts that are its own. */
  async function certified(asked: z.output<typeof certificates>, own: readonly string[], now: number) {
    if (!asked) return {};
    const requests = asked.requests.filter((r) => own.includes(r.hostId));
    return { certificates: await hostCertificates.answer(asked.authorities, requests, now) };
  }

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

  /**
   * The copies in a report that don't simply count. Named is the copy, by its own epoch: a newer one that has come to
   * the same host meanwhile is not meant.
   */
  async function judge(
    reports: readonly { hostId: string; vees: readonly { veeId: string; epoch: number }[] }[],
    fenced: ReadonlySet<string>,
    collectedAt: number,
  ): Promise<{ verdict: CopyVerdict; hostId: string; veeId: string; epoch: number }[]> {
    const ids = [...new Set(reports.flatMap((r) => r.vees.map((v) => v.veeId as VeeId)))];
    const standing = ids.length > 0 ? await store.vees.standing(ids) : new Map<VeeId, Standing>();
    const ended = fenced.size > 0 ? await endedHolders(standing) : new Set<OperationId>();
    return reports.flatMap(({ hostId, vees }) =>
      vees.flatMap(({ veeId, epoch }) => {
        const copy = { epoch, hostId: hostId as HostId, onFencedHost: fenced.has(hostId) };
        const verdict = verdictOnCopy(copy, standing.get(veeId as VeeId), collectedAt, (id) => ended.has(id));
        return verdict === 'counts' ? [] : [{ verdict, hostId, veeId, epoch }];
      }),
    );
  }

  async function endedHolders(standing: ReadonlyMap<VeeId, Standing>): Promise<Set<OperationId>> {
    const holders = new Set([...standing.values()].flatMap((s) => s.transition?.operationId ?? []));
    const ended = new Set<OperationId>();
    for (const id of holders) {
      const holder = await store.operations.get(id);
      if (!holder || hasEnded(holder)) ended.add(id);
    }
    return ended;
  }

  let lastPeers: { readonly at: number; readonly peers: readonly Peer[] } | undefined;

  /** Asked with each heartbeat of each agent, and changed only when one joins: once in a while is enough. */
  async function peers(now: number): Promise<readonly Peer[]> {
    if (!lastPeers || Math.abs(now - lastPeers.at) > PEERS_MILLIS)
      lastPeers = { at: now, peers: await store.hosts.peers() };
    return lastPeers.peers;
  }

  async function tellApart(hosts: z.infer<typeof joinSchema>['hosts'], now: number): Promise<void> {
    const joined = hosts.flatMap(({ id, underlayAddress: at }) =>
      at ? [{ hostId: id as HostId, underlayAddress: at }] : [],
    );
    const all = joined.length > 0 ? await store.hosts.peers() : [];
    for (const host of joined) {
      const event = apartEvent(host, all, now);
      if (event) await store.events.append(event);
    }
  }

  return [
    route({
      method: 'post',
      path: '/v1/join-tokens',
      tag: 'hosts',
      summary: 'Make a token that lets agents join the site',
      roles: ['operator'],
      body: json(z.object({ ttlMillis: z.int().min(1_000).max(604_800_000).default(3_600_000) })),
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
          schema: z.object({
            token: z.string().optional().describe('Absent when it came with its own'),
            certificates: certificateAnswer,
          }),
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
        for (const { id, zone, labels, fingerprint, underlayAddress, ...rest } of body.hosts) {
          const facts = { id: id as HostId, siteId, agentId, zone, labels, fingerprint, ...economyOf(rest) };
          await store.hosts.join({ ...facts, ...(underlayAddress ? { underlayAddress } : {}) }, now);
        }
        await tellApart(body.hosts, now);
        if (returning) {
          await store.identities.setHosts(identity.id, hostIds);
          return { status: 200, body: await certified(body.certificates, hostIds, now) };
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
        return { status: 200, body: { token, ...(await certified(body.certificates, hostIds, now)) } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/agents/heartbeat',
      tag: 'agents',
      summary: 'An agent reports that it lives, and what its hosts run',
      roles: ['agent'],
      body: json(reportSchema),
      responses: {
        200: {
          description: 'Noted; and which of the copies that were reported no longer count',
          schema: z.object({
            superseded: z.array(z.object({ hostId: z.string(), veeId: z.string(), epoch: z.int() })),
            peers: z
              .array(z.object({ hostId: z.string(), underlayAddress: z.string() }))
              .optional()
              .describe('All hosts that networks reach, these among them; only for whom they reach'),
            certificates: certificateAnswer,
          }),
        },
      },
      handler: async ({ identity, body }) => {
        const { agentId, hostIds = [] } = identity;
        if (!agentId) throw new SluiceError('forbidden', 'A join token can only join.');
        const now = Date.now();
        // A host that was taken over is no longer its to speak for; the others still are.
        const own = body.hosts.filter((h) => hostIds.includes(h.hostId as HostId));
        if (own.length === 0) throw new SluiceError('forbidden', `None of these hosts is ${agentId}’s.`);
        const collectedAt = now - body.ageMillis - TRANSIT_MILLIS;
        const fenced = new Set<string>();
        let reached = false;
        for (const { hostId, vees, measured, accounted, underlayAddress } of own) {
          const known = await store.hosts.heartbeat(
            hostId as HostId,
            agentId,
            vees,
            now,
            collectedAt,
            measured && { ...measured, ...(accounted ? { accounted } : {}) },
            underlayAddress,
          );
          if (!known) throw new SluiceError('not-found', `${hostId} has not joined.`);
          if (known.fenced) fenced.add(hostId);
          if (known.underlay) reached = true;
        }
        const judged = await judge(own, fenced, collectedAt);
        for (const hostId of fenced)
          if (!judged.some((c) => c.hostId === hostId) && (await store.hosts.liftFence(hostId as HostId)))
            await store.events.append({
              id: `${hostId}/returned/${now}`,
              at: now,
              kind: 'host.returned',
              message: `${hostId} has come back, and holds nothing that was made anew elsewhere`,
              subject: hostId,
            });
        const superseded = judged
          .filter((c) => c.verdict === 'superseded')
          .map(({ hostId, veeId, epoch }) => ({ hostId, veeId, epoch }));
        const hosts = own.map((h) => h.hostId);
        return {
          status: 200,
          body: {
            superseded,
            ...(reached ? { peers: await peers(now) } : {}),
            ...(await certified(body.certificates, hosts, now)),
          },
        };
      },
    }),
  ];
}
