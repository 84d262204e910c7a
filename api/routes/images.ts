import { z } from 'zod';
import { derivedEntropy } from '../../domain/derived-entropy';
import { SluiceError } from '../../domain/errors';
import { type ImageId, makeImageId } from '../../domain/ids';
import { isOwnOf, MOST_IMAGE_BYTES } from '../../domain/images/model';
import {
  acceptedAs,
  DIGEST_PATTERN,
  IMAGE_NAME_PATTERN,
  isImageName,
  REGISTERED_FORMATS,
} from '../../domain/images/reference';
import type { ApiDeps } from '../deps';
import { giveContent, sweepUploads, takeContent } from '../image-content';
import { imageDesk } from '../image-desk';
import { openSource } from '../image-sources';
import { imageSchema } from '../image-view';
import { byId, json, OPERATED, type Route, route, scopeOf } from '../route';

const tenantQuery = z.strictObject({
  tenant: z
    .string()
    .max(63)
    .optional()
    .describe('Whose it is to be; the site’s when an operator does not say'),
});
const amount = z.int().min(0).max(4_194_304);

const registerSchema = z.strictObject({
  name: z.string().regex(IMAGE_NAME_PATTERN, 'lower-case letters, digits, ".", "_" and "-"'),
  format: z.enum(REGISTERED_FORMATS),
  sha256: z.string().regex(DIGEST_PATTERN, 'the SHA-256 of its content, in hex').describe('Of its content'),
  sizeBytes: z.int().min(1).max(MOST_IMAGE_BYTES).optional().describe('May be left out with `from`'),
  leastMemoryMiB: amount.optional(),
  leastDiskMiB: amount.optional(),
  from: z
    .union([
      z.strictObject({ path: z.string().max(4_096) }),
      z.strictObject({ url: z.url({ protocol: /^https?$/ }) }),
    ])
    .optional()
    .describe('A file below the API’s folder of sources, or an address: instead of an upload, for operators'),
});

const uploadSchema = z.object({
  state: z.enum(['uploading', 'ready', 'removing']),
  uploadedBytes: z.int(),
  sizeBytes: z.int(),
});

const told = (description: string) => ({ 200: { description, schema: imageSchema } });

/** The site's registry of images. What hosts bring along themselves is listed as well. */
export function imageRoutes(deps: ApiDeps): Route[] {
  const { store } = deps;

  const { load, loadOwn, view, tell, ownerFor } = imageDesk(deps);

  return [
    route({
      method: 'get',
      path: '/v1/images',
      tag: 'images',
      summary: 'Images: the registry’s, and those that hosts have themselves',
      roles: OPERATED,
      responses: { 200: { description: 'Images', schema: z.object({ items: z.array(imageSchema) }) } },
      handler: async (context) => {
        const { identity } = context;
        const hosts = (await store.hosts.all()).map((h) => h.fingerprint.images);
        const count = new Map<string, number>();
        for (const image of hosts.flat()) count.set(image, (count.get(image) ?? 0) + 1);
        const known = await store.images.visibleTo(scopeOf(identity).tenantId);
        const seen = known.filter(
          (i) => i.state !== 'uploading' || identity.role === 'operator' || isOwnOf(i, identity.tenantId),
        );
        const registered = await Promise.all(
          seen.map(async (i) => ({
            ...(await view(i, context)),
            hosts: count.get(acceptedAs({ format: i.format, ...(i.warm ? { on: i.warm.on } : {}) })) ?? 0,
          })),
        );
        const own = [...count].filter(([name]) => isImageName(name)).map(([name, n]) => ({ name, hosts: n }));
        return { status: 200, body: { items: [...registered, ...own] } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/images',
      tag: 'images',
      summary: 'Register an image: then upload its content, unless it is taken from somewhere',
      roles: OPERATED,
      query: tenantQuery,
      body: json(registerSchema),
      responses: { 201: { description: 'The image', schema: imageSchema } },
      write: true,
      handler: async (context) => {
        const { from, sha256, name, format, leastMemoryMiB, leastDiskMiB } = context.body;
        if (from && context.identity.role !== 'operator')
          throw new SluiceError('forbidden', 'Only operators register images from a path or an address.');
        const owner = await ownerFor(context);
        const source = from && (await openSource(from, deps.imageSources));
        const sizeBytes = context.body.sizeBytes ?? source?.sizeBytes;
        if (sizeBytes === undefined || (source && source.sizeBytes !== sizeBytes))
          throw new SluiceError(
            'request-invalid',
            `/sizeBytes: ${source ? `it has ${source.sizeBytes} bytes` : 'say how large it is'}`,
            { pointer: '/sizeBytes' },
          );
        if (sizeBytes > MOST_IMAGE_BYTES)
          throw new SluiceError('image-refused', `An image has at most ${MOST_IMAGE_BYTES} bytes.`);
        await sweepUploads(store, Date.now());
        const image = await store.images.create({
          id: makeImageId(derivedEntropy(context.operationId, 'image')),
          ...{ owner, name, digest: sha256, format, sizeBytes, sharedWith: [], deprecated: false },
          ...(leastMemoryMiB === undefined ? {} : { leastMemoryMiB }),
          ...(leastDiskMiB === undefined ? {} : { leastDiskMiB }),
          ...{ state: 'uploading', createdAt: Date.now() },
        });
        if (image.format !== format || image.sizeBytes !== sizeBytes)
          throw new SluiceError(
            'already-exists',
            `${owner} has ${name} with that content as ${image.format}.`,
          );
        if (image.state === 'removing')
          throw new SluiceError('transition-illegal', 'That image is being removed; ask again.');
        const start = source ? await store.imageBlobs.uploadedBytes(image.id) : 0;
        const taken = source ? await takeContent(store, image, start, source.read(start), Date.now()) : image;
        if (taken.state === 'ready' && image.state !== 'ready') await tell(taken, context, 'registered');
        return {
          status: 201,
          body: await view(taken, context),
          headers: { Location: `/v1/images/${image.id}` },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/images/{id}',
      tag: 'images',
      summary: 'One image; of an upload also where it goes on',
      roles: OPERATED,
      params: byId,
      responses: told('The image'),
      handler: async (context) => ({
        status: 200,
        body: await view(await load(context, context.params.id), context),
      }),
    }),
    route({
      method: 'put',
      path: '/v1/images/{id}/content',
      tag: 'images',
      summary:
        'Upload its content, all of it or what follows what is there; with the last byte it is checked',
      roles: OPERATED,
      params: byId,
      query: z.strictObject({ offset: z.coerce.number().int().min(0).default(0) }),
      bytes: true,
      responses: told('The image, `ready` when all of it is there'),
      handler: async (context) => {
        const image = await loadOwn(context, context.params.id);
        const taken = await takeContent(store, image, context.query.offset, context.req, Date.now());
        if (taken.state === 'ready' && image.state !== 'ready') await tell(taken, context, 'registered');
        return { status: 200, body: await view(taken, context) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/images/{id}/content',
      tag: 'images',
      summary: 'Its content; takes Range',
      roles: OPERATED,
      params: byId,
      responses: { 200: { description: 'application/octet-stream' }, 206: { description: 'A part of it' } },
      handler: async (context) => {
        const { digest, state } = await load(context, context.params.id);
        if (state !== 'ready') throw new SluiceError('transition-illegal', `The image is ${state}.`);
        await giveContent(store, digest, context.req, context.res);
        return undefined;
      },
    }),
    route({
      method: 'put',
      path: '/v1/image-uploads/{id}',
      tag: 'images',
      summary: 'For hosts: the content of a warm image that they have made, or what follows what is there',
      roles: ['agent'],
      params: byId,
      query: z.strictObject({ offset: z.coerce.number().int().min(0) }),
      bytes: true,
      responses: { 200: { description: 'How far it is', schema: uploadSchema } },
      handler: async ({ params, query, req, identity }) => {
        const image = await store.images.get(params.id as ImageId);
        if (!image || !identity.agentId || image.uploader !== identity.agentId)
          throw new SluiceError('not-found', 'There is no such image.');
        const { id, state } = await takeContent(store, image, query.offset, req, Date.now());
        const uploadedBytes =
          state === 'uploading' ? await store.imageBlobs.uploadedBytes(id) : image.sizeBytes;
        return { status: 200, body: { state, uploadedBytes, sizeBytes: image.sizeBytes } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/image-blobs/{sha256}',
      tag: 'images',
      summary: 'For hosts: the content of an image that they are to run; takes Range',
      roles: ['agent'],
      params: z.strictObject({ sha256: z.string().regex(DIGEST_PATTERN) }),
      responses: { 200: { description: 'application/octet-stream' }, 206: { description: 'A part of it' } },
      handler: async ({ params, req, res, identity }) => {
        // A join token alone serves no host yet.
        if (!identity.agentId)
          throw new SluiceError('forbidden', 'Only agents that have joined fetch images.');
        await giveContent(store, params.sha256, req, res);
        return undefined;
      },
    }),
  ];
}
