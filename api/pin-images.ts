import { type Finding, SluiceError } from '../domain/errors';
import type { TenantId } from '../domain/ids';
import { pinOf, resolveImage, unfitFor } from '../domain/images/model';
import { imageReference, type PinnedImage, pinnedImage } from '../domain/images/reference';
import type { Manifest } from '../domain/manifest/schema';
import type { Store } from '../store/store';

/**
 * With each image of the registry as the content that its name means now: what is started again, scaled or moved later
 * runs from the same, whatever the name comes to mean. A name that the registry does not know is left for hosts to know.
 * @throws SluiceError `image-unknown`, or `manifest-invalid` where an instance is too small for its image
 */
export async function pinImages(
  { images }: Pick<Store, 'images'>,
  manifest: Manifest,
  tenantId: TenantId,
): Promise<Manifest> {
  const references = manifest.components.map((c) => imageReference(c.image));
  const candidates = await images.named([...new Set(references.flatMap((r) => (r ? [r.name] : [])))]);
  const unknown: Finding[] = [];
  const small: Finding[] = [];
  const components = manifest.components.map((component, c) => {
    const reference = references[c];
    if (!reference) return component;
    const pointer = `/components/${c}/image`;
    const resolved = resolveImage(candidates, reference, tenantId);
    if (resolved.kind === 'host-image') return component;
    if (resolved.kind === 'unknown') {
      const message = `there is no image "${component.image}" to be used: ${resolved.because}`;
      unknown.push({ pointer, message, hint: 'sluice image list tells which there are.' });
      return component;
    }
    const unfit = unfitFor(resolved.image, component.capacity, component.networks?.length ?? 0);
    if (unfit)
      small.push({
        pointer: `/components/${c}/${unfit.pointer}`,
        message: unfit.message,
        hint: resolved.image.warm
          ? 'Ask for just as much, or use an image that boots.'
          : 'Ask for as much, or use a smaller image.',
      });
    return { ...component, image: pinOf(resolved.image) };
  });
  for (const [code, errors] of [
    ['image-unknown', unknown],
    ['manifest-invalid', small],
  ] as const)
    if (errors[0])
      throw new SluiceError(code, `${errors[0].pointer}: ${errors[0].message}`, {
        pointer: errors[0].pointer,
        errors,
      });
  return { ...manifest, components };
}

/** As long as a request may take from reading a manifest to recording what it asks for. */
const HOLD_MILLIS = 60_000;

/**
 * Records what uses the images of a manifest. Meanwhile none of them is removed: its remover would find no user yet.
 * @param by the operation's id
 * @throws SluiceError `image-unknown` for one that has been removed since it was pinned
 */
export async function holdingImages<T>(
  { images }: Pick<Store, 'images'>,
  manifest: Manifest,
  by: string,
  record: () => Promise<T>,
): Promise<T> {
  const held: PinnedImage[] = [];
  try {
    for (const [c, { image }] of manifest.components.entries()) {
      const pinned = pinnedImage(image);
      if (!pinned) continue;
      if (!(await images.hold(pinned, by, Date.now() + HOLD_MILLIS)))
        throw new SluiceError('image-unknown', `The image ${image} is not to be used any more.`, {
          pointer: `/components/${c}/image`,
        });
      held.push(pinned);
    }
    return await record();
  } finally {
    await images.letGo(by, held);
  }
}
