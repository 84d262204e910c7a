import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { acceptsFormat, pinnedImage } from '../../domain/images/reference';
import type { ImageSource, UnpackedImage } from '../contract';
import { unpackImage } from './oci-layout';

/** Where a VEE holds its image of the registry, in its own folder. */
const IMAGE_FILE = 'image';

/** The root file systems that containers of one host run from. */
export class Roots {
  private readonly own: Readonly<Record<string, string>>;
  private readonly registry: ImageSource | undefined;

  /** @param own root file system by the name of an image that the host brings along */
  constructor(own: Readonly<Record<string, string>>, registry?: ImageSource) {
    this.own = own;
    this.registry = registry;
  }

  get names(): string[] {
    const registry = this.registry ? [acceptsFormat('tar'), acceptsFormat('oci')] : [];
    return [...Object.keys(this.own), ...registry];
  }

  /** @throws SluiceError `image-unknown`, and what `ImageSource` throws */
  async of(image: string, veeFolder: string): Promise<Omit<UnpackedImage, 'bytes'>> {
    const pinned = pinnedImage(image);
    const path = this.own[image];
    if (!pinned) {
      if (path === undefined) throw new SluiceError('image-unknown', `This host has no image "${image}".`);
      return { path };
    }
    const { format } = pinned;
    if (!this.registry || (format !== 'tar' && format !== 'oci'))
      throw new SluiceError('image-unknown', `This host runs no ${format} images of the registry.`);
    return this.registry.unpacked(pinned, join(veeFolder, IMAGE_FILE), (file, into, room) =>
      unpackImage(format, file, into, room),
    );
  }
}
