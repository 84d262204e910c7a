import { z } from 'zod';
import { derivedEntropy } from '../../domain/derived-entropy';
import { SluiceError } from '../../domain/errors';
import { makeImageId, NAME_PATTERN, type TenantId } from '../../domain/ids';
import { IMAGE_NAME_PATTERN } from '../../domain/images/reference';
import { NO_COST } from '../../domain/operation/plan-cost';
import type { ApiDeps } from '../deps';
import { planOf } from '../dry-run';
import { imageDesk } from '../image-desk';
import { imageSchema } from '../image-view';
import { byId, dryRunQuery, json, OPERATED, type Route, route } from '../route';

const tenantQuery = z.strictObject({ tenant: z.string().max(63).optional() });
const shareSchema = z.strictObject({ tenants: z.array(z.string().regex(NAME_PATTERN)).min(1).max(100) });
const told = (description: string) => ({ 200: { description, schema: imageSchema } });

/** What becomes of an image that is there. */
export function imageChangeRoutes(deps: ApiDeps): Route[] {
  const { store } = deps;
  const { load, loadOwn, view, tell, ownerFor, requireUnused } = imageDesk(deps);

  return [
    ...([true, false] as const).map((shared) =>
      route({
        method: 'post',
        path: `/v1/images/{id}/${shared ? 'share' : 'unshare'}`,
        tag: 'images',
        summary: shared
          ? 'Let other tenants use it, as OWNER/NAME'
          : 'Let them use it no more; what runs from it goes on',
        roles: OPERATED,
        params: byId,
        body: json(shareSchema),
        responses: told('The image'),
        write: true,
        handler: async (context) => {
          const image = await loadOwn(context, context.params.id);
          const tenants = context.body.tenants as TenantId[];
          const changed = await store.images.share(image.id, tenants, shared);
          if (!changed) throw new SluiceError('transition-illegal', `The image is ${image.state}.`);
          await tell(changed, context, shared ? 'shared' : 'unshared');
          return { status: 200, body: await view(changed, context) };
        },
      }),
    ),
    ...([true, false] as const).map((deprecated) =>
      route({
        method: 'post',
        path: `/v1/images/{id}/${deprecated ? 'deprecate' : 'undeprecate'}`,
        tag: 'images',
        summary: deprecated
          ? 'Have its name mean this version no more; what names its digest, or runs from it, goes on'
          : 'Have its name mean this version again, if it is the newest',
        roles: OPERATED,
        params: byId,
        responses: told('The image'),
        write: true,
        handler: async (context) => {
          const image = await loadOwn(context, context.params.id);
          const changed = await store.images.change(image.id, 'ready', { deprecated });
          if (!changed) throw new SluiceError('transition-illegal', `The image is ${image.state}.`);
          await tell(changed, context, deprecated ? 'deprecated' : 'undeprecated');
          return { status: 200, body: await view(changed, context) };
        },
      }),
    ),
    route({
      method: 'post',
      path: '/v1/images/{id}/clone',
      tag: 'images',
      summary: 'The same content under another name, or as one’s own: it stays when the first one goes',
      roles: OPERATED,
      params: byId,
      query: tenantQuery,
      body: json(z.strictObject({ name: z.string().regex(IMAGE_NAME_PATTERN) })),
      responses: { 201: { description: 'The new image', schema: imageSchema } },
      write: true,
      handler: async (context) => {
        const { id: _, ...image } = await load(context, context.params.id);
        if (image.state !== 'ready')
          throw new SluiceError('transition-illegal', `The image is ${image.state}.`);
        const id = makeImageId(derivedEntropy(context.operationId, 'image'));
        const { name } = context.body;
        const mine = { owner: await ownerFor(context), name, sharedWith: [], deprecated: false };
        const made = await store.images.create({ ...image, id, ...mine, createdAt: Date.now() });
        if (!(await store.imageBlobs.use(made.id, image.digest))) {
          await store.images.remove(made.id);
          throw new SluiceError('not-found', 'There is no such image.');
        }
        await tell(made, context, 'cloned');
        return {
          status: 201,
          body: await view(made, context),
          headers: { Location: `/v1/images/${made.id}` },
        };
      },
    }),
    route({
      method: 'delete',
      path: '/v1/images/{id}',
      tag: 'images',
      summary: 'Remove it from the registry, unless something uses it',
      roles: OPERATED,
      params: byId,
      query: dryRunQuery,
      responses: {
        200: { description: 'The plan, of a dry run', schema: z.unknown() },
        204: { description: 'Gone' },
      },
      write: true,
      dryRun: true,
      handler: async (context) => {
        const image = await loadOwn(context, context.params.id);
        if (context.dryRun) {
          await requireUnused(image, context);
          return planOf('image.delete', [`remove ${image.owner}/${image.name}`], NO_COST);
        }
        // From here on nothing new begins to use it; what began before is seen.
        const { state } = image;
        if (state === 'uploading') await store.images.change(image.id, state, { state: 'removing' });
        else await store.images.change(image.id, 'ready', { state: 'removing' });
        try {
          await requireUnused(image, context);
        } catch (error) {
          await store.images.change(image.id, 'removing', { state: 'ready' });
          throw error;
        }
        await store.imageBlobs.release(image.id, image.digest);
        await store.imageBlobs.dropUpload(image.id);
        await store.images.remove(image.id);
        await tell(image, context, 'removed');
        return { status: 204 };
      },
    }),
  ];
}
