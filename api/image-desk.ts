import { SluiceError } from '../domain/errors';
import type { ImageId, TenantId } from '../domain/ids';
import { type ImageRecord, isOwnOf, mayUse, ownedBy } from '../domain/images/model';
import { SITE_OWNER } from '../domain/images/reference';
import type { ApiDeps } from './deps';
import { imageView } from './image-view';
import { type Context, scopeOf } from './route';

/** What the routes of images have in common: who may see and change which, and what is told of it. */
export function imageDesk({ store }: Pick<ApiDeps, 'store'>) {
  async function load({ identity }: Context<unknown>, id: string): Promise<ImageRecord> {
    const image = await store.images.get(id as ImageId);
    const { tenantId } = identity;
    const isSeen = image && (identity.role === 'operator' || (tenantId && mayUse(image, tenantId)));
    if (!isSeen) throw new SluiceError('not-found', 'There is no such image.');
    return image;
  }

  /** Its owner's own, or any for an operator. */
  async function loadOwn(context: Context<unknown>, id: string): Promise<ImageRecord> {
    const image = await load(context, id);
    if (context.identity.role !== 'operator' && !isOwnOf(image, context.identity.tenantId))
      throw new SluiceError('forbidden', `Only ${image.owner} and operators change this image.`);
    return image;
  }

  async function view(image: ImageRecord, { identity }: Context) {
    if (image.state !== 'uploading') return imageView(image, identity);
    return imageView(image, identity, { uploadedBytes: await store.imageBlobs.uploadedBytes(image.id) });
  }

  async function tell(image: ImageRecord, { identity, operationId }: Context, what: string): Promise<void> {
    await store.events.append({
      ...{ id: `${operationId}/image`, at: Date.now(), kind: `image.${what}`, subject: image.id },
      message: `${identity.name} has ${what} the image ${image.owner}/${image.name}`,
      ...(image.owner === SITE_OWNER ? {} : { tenantId: image.owner as TenantId }),
    });
  }

  async function ownerFor(context: Context<unknown, { tenant?: string | undefined }>): Promise<string> {
    const { identity, query } = context;
    const asked = query.tenant as TenantId | undefined;
    const mine = scopeOf(identity).tenantId;
    if (mine !== undefined && asked !== undefined && asked !== mine)
      throw new SluiceError('forbidden', 'A tenant registers images for itself only.');
    const tenantId = mine ?? asked;
    if (tenantId === SITE_OWNER)
      throw new SluiceError('forbidden', 'A tenant that is called "site" can have no images of its own.');
    if (tenantId !== undefined && !(await store.identities.hasTenant(tenantId)))
      throw new SluiceError('not-found', `There is no tenant "${tenantId}".`);
    return ownedBy(tenantId);
  }

  /** @throws SluiceError `image-in-use`, which names what its asker may see */
  async function requireUnused(image: ImageRecord, { identity }: Context): Promise<void> {
    const now = Date.now();
    // Before its users: a request lets go only when what it has recorded is found among them.
    const { holds = [] } = (await store.images.get(image.id)) ?? image;
    if (holds.some((h) => h.until > now))
      throw new SluiceError('image-in-use', 'A request that is to use it is under way; ask again.', {
        members: { usedBy: [] },
      });
    const users = await store.images.usersOf(image);
    if (users.length === 0) return;
    const seen = users.filter((u) => identity.role === 'operator' || u.tenantId === identity.tenantId);
    const usedBy = seen.map((u) => u.what);
    const others = seen.length < users.length ? ['other tenants'] : [];
    throw new SluiceError('image-in-use', `It is used by ${[...usedBy, ...others].join(', ')}.`, {
      members: { usedBy },
    });
  }

  return { load, loadOwn, view, tell, ownerFor, requireUnused };
}
