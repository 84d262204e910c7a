import { z } from 'zod';
import { derivedEntropy } from '../../domain/derived-entropy';
import { SluiceError } from '../../domain/errors';
import { type ImageId, makeImageId, NAME_PATTERN, type TenantId } from '../../domain/ids';
import type { ImageRecord } from '../../domain/images/model';
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
          for (const tenant of shared ? tenants : [])
            if (!(await store.identities.hasTenant(tenant)))
              throw new SluiceError('not-found', `There is no tenant "${tenant}".`);
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
        // Not ready before it has its hold on the content: a crash in between leaves none that is empty.
        const { holds: _holds, ...same } = image;
        const begun = await store.images.create({
          ...{ ...same, id, ...mine, state: 'uploading', createdAt: Date.now() },
        });
        const made = await clone(store, begun, id);
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
        const { id, state, digest } = image;
        if (state !== 'removing' && !(await store.images.change(id, state, { state: 'removing' })))
          throw new SluiceError('conflict', 'The image has changed meanwhile; ask again.');
        try {
          await requireUnused(image, context);
        } catch (error) {
          await putBack(store, image);
          throw error;
        }
        await store.imageBlobs.release(id, digest);
        await store.images.remove(id, 'removing');
        await store.imageBlobs.dropUpload(id);
        await tell(image, context, 'removed');
        return { status: 204 };
      },
    }),
  ];
}

/** @param id that this request has given it: what has another was there before, and stays as it is */
async function clone(
  { images, imageBlobs }: ApiDeps['store'],
  begun: ImageRecord,
  id: ImageId,
): Promise<ImageRecord> {
  if (begun.state === 'ready') return begun;
  if (begun.id !== id)
    throw new SluiceError('transition-illegal', `There is such an image, which is ${begun.state}.`);
  if (!(await imageBlobs.use(id, begun.digest))) {
    await images.remove(id, 'uploading');
    throw new SluiceError('not-found', 'There is no such image.');
  }
  const made = await images.change(id, 'uploading', { state: 'ready' });
  if (made) return made;
  const other = await images.get(id);
  if (other?.state === 'ready') return other;
  await imageBlobs.release(id, begun.digest);
  throw new SluiceError('not-found', 'There is no such image any more.');
}

/** It stays after all, as what it was; as ready only with its content, which an earlier removal may have released. */
async function putBack({ images, imageBlobs }: ApiDeps['store'], image: ImageRecord): Promise<void> {
  const { id, state, digest } = image;
  if (state === 'uploading') await images.change(id, 'removing', { state });
  else if (await imageBlobs.use(id, digest)) await images.change(id, 'removing', { state: 'ready' });
}
