import { z } from 'zod';
import { derivedEntropy } from '../../domain/derived-entropy';
import { SluiceError } from '../../domain/errors';
import { makeServiceId, type ServiceId, type TenantId } from '../../domain/ids';
import { componentNamed, initialInstances } from '../../domain/manifest/components';
import { type Manifest, manifestSchema } from '../../domain/manifest/schema';
import { MOST_MOVES } from '../../domain/migration/plan-moves';
import { NO_COST } from '../../domain/operation/plan-cost';
import { initialAdditions } from '../../domain/placement/request';
import { PHASES, type ServiceRecord, stayOfService } from '../../domain/service/service';
import { changeEnd } from '../change-end';
import type { ApiDeps } from '../deps';
import { planAdditions, planForAll, planOf, planScale } from '../dry-run';
import { requireLicences } from '../known-licences';
import { requireNetworks } from '../known-networks';
import { digestOf, readManifest } from '../manifest-body';
import { deadlineShape, requireHosts, setOnly } from '../migration-request';
import { ownerOf } from '../owner';
import { holdingImages, pinImages } from '../pin-images';
import { planServiceMoves } from '../plan-maintenance';
import { dryRunRecomposition } from '../recompose-plan';
import { hand, requestedOperation, requestOperation } from '../request-operation';
import { requirePhase } from '../require-phase';
import {
  type Answer,
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
import { millis, pageOf, serviceSchema, started } from '../schemas';
import { requireTerm, type Term, termOf } from '../term';
import { blueprintView, eventView, serviceView } from '../views';

export function serviceRoutes(deps: ApiDeps): Route[] {
  const { store } = deps;

  async function load(context: Context<unknown>, id: string): Promise<ServiceRecord> {
    return found(context.identity, 'service', await store.services.get(id as ServiceId));
  }

  return [
    route({
      method: 'post',
      path: '/v1/services',
      tag: 'services',
      summary: 'Apply a manifest: place and start a service',
      roles: OPERATED,
      query: z.strictObject({
        tenant: z.string().max(63).optional().describe('Whose service; operators must say'),
        until: z.coerce.number().int().optional().describe('When the site is to end it; never when left out'),
        reservation: z
          .string()
          .max(63)
          .optional()
          .describe('Use what is promised to that one, and end with it at the latest'),
        dryRun: z.stringbool().default(false),
      }),
      body: { schema: manifestSchema, media: ['application/json', 'application/yaml'] },
      responses: started,
      write: true,
      dryRun: true,
      handler: async (context) => {
        const asked = readManifest(context.req.body);
        await requireLicences(store, asked);
        const tenantId = await ownerOf(deps, context, 'Operators must say whose service it is');
        await requireNetworks(store, asked, tenantId);
        const manifest = await pinImages(store, asked, tenantId);
        const living = await store.services.named(tenantId, manifest.name);
        const isThere = living !== undefined && living.manifestDigest === digestOf(manifest);
        if (isThere) await requireTerm(deps, living, context.query);
        const { term, lease } = living ? { term: {} } : await termOf(deps, tenantId, manifest, context.query);
        if (context.dryRun) {
          if (living && !isThere) throw alreadyThere(living);
          // It may fall short of its manifest all the same, when what failed was given up alone.
          if (living?.phase === 'operating')
            return dryRunRecomposition(deps, context.identity, living, manifest, context.operationId);
          if (living) return planOf('service.provision', [], NO_COST);
          const id = makeServiceId(derivedEntropy(context.operationId, 'service'));
          return planAdditions(
            deps,
            context.identity,
            'service.provision',
            manifest,
            { id, tenantId },
            context.operationId,
            initialAdditions(initialInstances(manifest)),
            { stay: stayOfService(term), lease },
          );
        }
        return holdingImages(store, manifest, context.operationId, () =>
          apply(deps, context, manifest, tenantId, term),
        );
      },
    }),
    route({
      method: 'get',
      path: '/v1/services',
      tag: 'services',
      summary: 'List services',
      roles: OPERATED,
      query: pageQuery.extend({ phase: z.enum(PHASES).optional(), name: z.string().max(63).optional() }),
      responses: { 200: { description: 'A page', schema: pageOf(serviceSchema) } },
      handler: async ({ identity, query: { phase, name, ...page } }) => {
        const { items, ...rest } = await store.services.page({ ...scopeOf(identity), phase, name }, page);
        return { status: 200, body: { items: items.map(serviceView), ...rest } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/services/{id}',
      tag: 'services',
      summary: 'One service, with its manifest',
      roles: OPERATED,
      params: byId,
      responses: { 200: { description: 'The service', schema: serviceSchema } },
      handler: async (context) => {
        const service = await load(context, context.params.id);
        const manifest = await store.services.manifest(service.manifestDigest);
        return { status: 200, body: { ...serviceView(service), manifest }, headers: etagOf(service) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/services/{id}/plan',
      tag: 'services',
      summary: 'Where its VEEs were placed, and why: the blueprints',
      roles: OPERATED,
      params: byId,
      responses: { 200: { description: 'Blueprints', schema: z.object({ items: z.array(z.unknown()) }) } },
      handler: async (context) => {
        const service = await load(context, context.params.id);
        const vees = await store.vees.find({ serviceId: service.id });
        const ids = [...new Set(vees.map((v) => v.blueprintId))];
        const blueprints = await Promise.all(ids.map((id) => store.blueprints.get(id)));
        return {
          status: 200,
          body: {
            items: blueprints.flatMap((b) =>
              b?.kind === 'blueprint' ? [blueprintView(b, context.identity)] : [],
            ),
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/services/{id}/events',
      tag: 'services',
      summary: 'What happened to it',
      roles: OPERATED,
      params: byId,
      query: pageQuery,
      responses: { 200: { description: 'A page of events', schema: pageOf(z.unknown()) } },
      handler: async (context) => {
        const service = await load(context, context.params.id);
        const { items, ...rest } = await store.events.page({ serviceId: service.id }, context.query);
        return { status: 200, body: { items: items.map((e) => eventView(e, context.identity)), ...rest } };
      },
    }),
    route({
      method: 'put',
      path: '/v1/services/{id}/end',
      tag: 'services',
      summary: 'Say when the site is to end it by itself, or that it is not to',
      roles: OPERATED,
      params: byId,
      body: json(z.strictObject({ until: millis.nullable().describe('null for no end') })),
      responses: { 200: { description: 'The service', schema: serviceSchema } },
      write: true,
      ifMatch: true,
      handler: async (context) => {
        const service = await load(context, context.params.id);
        checkMatch(context.ifMatch, service);
        const changed = await changeEnd(deps, context, service, context.body.until ?? undefined);
        return { status: 200, body: serviceView(changed), headers: etagOf(changed) };
      },
    }),
    route({
      method: 'delete',
      path: '/v1/services/{id}',
      tag: 'services',
      summary: 'Decommission a service',
      roles: OPERATED,
      params: byId,
      query: dryRunQuery,
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const service = await load(context, context.params.id);
        checkMatch(context.ifMatch, service);
        if (service.phase === 'decommissioned')
          throw new SluiceError('transition-illegal', `${service.name} is decommissioned already.`);
        if (context.dryRun) return planForAll(deps, context.identity, service, 'destroy');
        return requestOperation(deps, context, { kind: 'service.decommission', service });
      },
    }),
    route({
      method: 'post',
      path: '/v1/services/{id}/components/{component}/scale',
      tag: 'services',
      summary: 'Set how many instances a component has',
      roles: OPERATED,
      params: byId.extend({ component: z.string().max(63) }),
      query: dryRunQuery,
      body: json(z.strictObject({ instances: z.int().min(0) })),
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const service = await load(context, context.params.id);
        checkMatch(context.ifMatch, service);
        await requirePhase(deps, service, 'scale', ['operating']);
        const manifest = await store.services.manifest(service.manifestDigest);
        const component = componentNamed(manifest, context.params.component);
        if (!component)
          throw new SluiceError(
            'not-found',
            `${service.name} has no component "${context.params.component}".`,
          );
        const { min, max } = component.instances;
        const { instances } = context.body;
        if (instances < min || instances > max)
          throw new SluiceError(
            'out-of-bounds',
            `${component.name} takes ${min} to ${max} instances, not ${instances}.`,
            { pointer: '/instances' },
          );
        if (context.dryRun)
          return planScale(
            deps,
            context.identity,
            manifest,
            service,
            context.operationId,
            component.name,
            instances,
          );
        return requestOperation(deps, context, {
          kind: 'service.scale',
          service,
          params: { component: component.name, instances },
        });
      },
    }),
    route({
      method: 'post',
      path: '/v1/services/{id}/migrate',
      tag: 'services',
      summary: 'Move several of its VEEs to other hosts, together',
      roles: ['operator'],
      params: byId,
      query: dryRunQuery,
      body: json(
        z.strictObject({
          fromHost: z.string().max(63).optional().describe('Those on this host; all when left out'),
          vees: z.array(z.string().max(64)).min(1).max(MOST_MOVES).optional().describe('These and no others'),
          toHost: z.string().max(63).optional(),
          partial: z.boolean().default(false).describe('Move what can be moved; else all or none'),
          ...deadlineShape,
        }),
      ),
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const service = await load(context, context.params.id);
        checkMatch(context.ifMatch, service);
        await requirePhase(deps, service, 'migrate', ['operating']);
        const { fromHost, toHost, vees, partial, ...deadline } = context.body;
        await requireHosts(store, { fromHost, toHost });
        const params = {
          partial,
          ...setOnly({ fromHostId: fromHost, toHostId: toHost, veeIds: vees }),
          ...setOnly(deadline),
        };
        if (context.dryRun) return planServiceMoves(deps, service, context.operationId, params);
        return requestOperation(deps, context, { kind: 'service.migrate', service, params });
      },
    }),
    ...(['suspend', 'resume'] as const).map((verb) =>
      route({
        method: 'post',
        path: `/v1/services/{id}/${verb}`,
        tag: 'services',
        summary: verb === 'suspend' ? 'Still all its VEEs' : 'Bring a suspended service back',
        roles: OPERATED,
        params: byId,
        query: dryRunQuery,
        responses: started,
        write: true,
        dryRun: true,
        ifMatch: true,
        handler: async (context) => {
          const service = await load(context, context.params.id);
          checkMatch(context.ifMatch, service);
          await requirePhase(deps, service, verb, verb === 'suspend' ? ['operating'] : ['suspended']);
          if (context.dryRun) return planForAll(deps, context.identity, service, verb);
          return requestOperation(deps, context, { kind: `service.${verb}`, service });
        },
      }),
    ),
  ];
}

/**
 * The name is the lock: of two requests for one name, one makes the service. The other gets that one's
 * operation when it asked for the very same, and a conflict when it asked for something else.
 */
async function apply(
  deps: ApiDeps,
  context: Context<unknown, unknown>,
  manifest: Manifest,
  tenantId: TenantId,
  term: Term,
): Promise<Answer> {
  const { store, siteId } = deps;
  const { operationId } = context;
  const digest = digestOf(manifest);
  await store.services.putManifest(digest, manifest);
  const now = Date.now();
  const entropy = derivedEntropy(operationId, 'service');
  const asked: ServiceRecord = {
    id: makeServiceId(entropy),
    siteId,
    tenantId,
    name: manifest.name,
    phase: 'requested',
    history: [{ phase: 'requested', at: now, operationId }],
    manifestDigest: digest,
    instances: initialInstances(manifest),
    gri: `gri-${entropy}`,
    provisionOperationId: operationId,
    ...term,
    generation: 1,
    createdAt: now,
    updatedAt: now,
  };
  const provisioning = requestedOperation(siteId, context, { kind: 'service.provision', service: asked });
  const holder = await store.services.create(asked, provisioning);
  if (holder.manifestDigest !== digest) throw alreadyThere(holder);
  const operation = await store.operations.get(holder.manifestOperationId ?? holder.provisionOperationId);
  return hand(deps, context.identity, operation ?? provisioning);
}

function alreadyThere({ tenantId, name, id }: ServiceRecord): SluiceError {
  return new SluiceError(
    'already-exists',
    `${tenantId} has a service "${name}" with another manifest (${id}).`,
    { members: { serviceId: id } },
  );
}
