import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import { canDo } from '../../domain/host';
import { agentTaskQueue, type HostId, type ServiceId, type TenantId, type VeeId } from '../../domain/ids';
import { IMAGE_NAME_PATTERN, makesWarm } from '../../domain/images/reference';
import type { VeeOperationKind } from '../../domain/operation/operation';
import { nextState, VEE_STATES, type VeeVerb } from '../../domain/vee/state-machine';
import type { VeeRecord } from '../../domain/vee/vee';
import { illegalTransition } from '../../store/vee-locks';
import type { ApiDeps } from '../deps';
import { planForOne, planMigration, planResize } from '../dry-run';
import { deadlineShape, requireHosts, setOnly } from '../migration-request';
import { requestOperation } from '../request-operation';
import {
  byId,
  type Context,
  checkMatch,
  dryRunQuery,
  etagOf,
  found,
  json,
  OPERATED,
  pageQuery,
  type Route,
  route,
  scopeOf,
} from '../route';
import { pageOf, started, veeSchema } from '../schemas';
import { veeView } from '../views';

const SIMPLE_VERBS = {
  pause: 'Freeze it where it is',
  resume: 'Let a paused VEE run again',
  suspend: 'Save its memory to disk',
  restore: 'Bring a suspended VEE back',
  restart: 'Stop it and start it again on its host',
} as const;

export function veeRoutes(deps: ApiDeps): Route[] {
  const { store } = deps;

  const load = async (context: Context<unknown>, id: string): Promise<VeeRecord> =>
    found(context.identity, 'VEE', await store.vees.get(id as VeeId));

  /** Says no at once where the answer is known; the operation checks again when it takes the VEE's lock. */
  async function ready(context: Context<{ id: string }>, verb: VeeVerb, allowRestart = false) {
    const vee = await load(context, context.params.id);
    // Recorded by this request before, when it was told to ask again: the site may have carried it out since.
    const isRecorded = (await store.operations.get(context.operationId)) !== undefined;
    if (!isRecorded) {
      checkMatch(context.ifMatch, vee);
      if (nextState(vee.state, verb) === undefined) throw illegalTransition(vee, verb);
    }
    const service = await store.services.get(vee.serviceId);
    if (!service) throw new SluiceError('not-found', 'There is no such service.');
    const host = await store.hosts.get(vee.hostId);
    if (!host) throw new SluiceError('not-found', 'There is no such host.');
    if (!canDo(host.fingerprint.capabilities, verb) && !allowRestart)
      throw new SluiceError(
        'capability-missing',
        `The driver "${host.fingerprint.driver}" of its host can't ${verb}` +
          (verb === 'resize'
            ? ' what runs: allow it to restart the VEE ("allowRestart", or --allow-restart).'
            : '.'),
      );
    return { vee, service, host };
  }

  return [
    route({
      method: 'get',
      path: '/v1/vees',
      tag: 'vees',
      summary: 'List VEEs',
      roles: OPERATED,
      query: pageQuery.extend({
        service: z.string().max(64).optional(),
        component: z.string().max(63).optional(),
        host: z.string().max(63).optional(),
        state: z.enum(VEE_STATES).optional(),
        tenant: z.string().max(63).optional(),
        living: z.literal('true').optional().describe('Only those that are not destroyed'),
      }),
      responses: { 200: { description: 'A page', schema: pageOf(veeSchema) } },
      handler: async ({ identity, query: { service, component, host, state, tenant, living, ...page } }) => {
        const filter = {
          tenantId: tenant as TenantId | undefined,
          ...scopeOf(identity),
          serviceId: service as ServiceId | undefined,
          component,
          hostId: host as HostId | undefined,
          state,
          living: living !== undefined,
        };
        const { items, ...rest } = await store.vees.page(filter, page);
        const hosts = new Map((await store.hosts.all()).map((h) => [h.id, h]));
        return { status: 200, body: { items: items.map((v) => veeView(v, hosts.get(v.hostId))), ...rest } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/vees/{id}',
      tag: 'vees',
      summary: 'One VEE',
      roles: OPERATED,
      params: byId,
      responses: { 200: { description: 'The VEE', schema: veeSchema } },
      handler: async (context) => {
        const vee = await load(context, context.params.id);
        return { status: 200, body: veeView(vee, await store.hosts.get(vee.hostId)), headers: etagOf(vee) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/vees/{id}/logs',
      tag: 'vees',
      summary: 'The last lines of its console',
      roles: OPERATED,
      params: byId,
      query: z.strictObject({ tail: z.coerce.number().int().min(1).max(1_000).default(100) }),
      responses: { 200: { description: 'Lines', schema: z.object({ lines: z.array(z.string()) }) } },
      handler: async (context) => {
        const vee = await load(context, context.params.id);
        if (vee.state === 'DESTROYED') throw new SluiceError('not-found', 'Its console went with the VEE.');
        const host = await store.hosts.get(vee.hostId);
        if (!host) throw new SluiceError('host-unreachable', `${vee.hostId} is gone.`);
        const input = {
          agentQueue: agentTaskQueue(host.siteId, host.agentId),
          hostId: host.id,
          veeId: vee.id,
          tailLines: context.query.tail,
        };
        return { status: 200, body: { lines: await deps.operations.readLogs(deps.siteId, input) } };
      },
    }),
    ...(Object.keys(SIMPLE_VERBS) as (keyof typeof SIMPLE_VERBS)[]).map((verb) =>
      route({
        method: 'post',
        path: `/v1/vees/{id}/${verb}`,
        tag: 'vees',
        summary: SIMPLE_VERBS[verb],
        roles: OPERATED,
        params: byId,
        query: dryRunQuery,
        responses: started,
        write: true,
        dryRun: true,
        ifMatch: true,
        handler: async (context) => {
          const { vee, service } = await ready(context, verb);
          if (context.dryRun) return planForOne(vee, verb);
          const kind: VeeOperationKind = `vee.${verb}`;
          return requestOperation(deps, context, { kind, service, veeId: vee.id });
        },
      }),
    ),
    route({
      method: 'post',
      path: '/v1/vees/{id}/capture',
      tag: 'vees',
      summary: 'Make a warm image of it, from which others go on; it stands still meanwhile, and goes on',
      roles: OPERATED,
      params: byId,
      query: dryRunQuery,
      body: json(
        z.strictObject({
          name: z
            .string()
            .regex(IMAGE_NAME_PATTERN, 'lower-case letters, digits, ".", "_" and "-"')
            .describe('Of the image, which its tenant owns'),
        }),
      ),
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const { vee, service, host } = await ready(context, 'capture');
        if (!makesWarm(host.fingerprint.images))
          throw new SluiceError(
            'capability-missing',
            `The driver "${host.fingerprint.driver}" of its host makes no images of what runs.`,
          );
        if (context.dryRun) return planForOne(vee, 'capture');
        const params = { imageName: context.body.name };
        return requestOperation(deps, context, { kind: 'vee.capture', service, veeId: vee.id, params });
      },
    }),
    route({
      method: 'post',
      path: '/v1/vees/{id}/resize',
      tag: 'vees',
      summary: 'Change its processor and memory while it runs',
      roles: OPERATED,
      params: byId,
      query: dryRunQuery,
      body: json(
        z
          .strictObject({
            cpuMillis: z.int().min(1).max(256_000).optional(),
            memoryMiB: z.int().min(1).max(4_194_304).optional(),
            allowRestart: z
              .boolean()
              .default(false)
              .describe('Stop it for that where its driver can’t resize what runs'),
          })
          .refine(
            (c) => c.cpuMillis !== undefined || c.memoryMiB !== undefined,
            'give cpuMillis, memoryMiB or both',
          ),
      ),
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const { cpuMillis, memoryMiB, allowRestart } = context.body;
        const { vee, service, host } = await ready(context, 'resize', allowRestart);
        const byRestart = !host.fingerprint.capabilities.liveResize;
        const capacity = {
          ...(cpuMillis === undefined ? {} : { cpuMillis }),
          ...(memoryMiB === undefined ? {} : { memoryMiB }),
        };
        if (context.dryRun) return planResize(deps, context.identity, vee, host, capacity, byRestart);
        return requestOperation(deps, context, {
          kind: 'vee.resize',
          service,
          veeId: vee.id,
          params: { capacity, ...(byRestart ? { byRestart } : {}) },
        });
      },
    }),
    route({
      method: 'post',
      path: '/v1/vees/{id}/migrate',
      tag: 'vees',
      summary: 'Move it to another host',
      roles: ['operator'],
      params: byId,
      query: dryRunQuery,
      body: json(z.strictObject({ toHost: z.string().max(63).optional(), ...deadlineShape })),
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const { vee, service } = await ready(context, 'migrate');
        const { toHost, ...deadline } = context.body;
        await requireHosts(store, { toHost });
        if (context.dryRun)
          return planMigration(
            deps,
            context.identity,
            service,
            vee,
            context.operationId,
            toHost,
            setOnly(deadline),
          );
        return requestOperation(deps, context, {
          kind: 'vee.migrate',
          service,
          veeId: vee.id,
          params: { ...(toHost ? { toHostId: toHost } : {}), ...setOnly(deadline) },
        });
      },
    }),
  ];
}
