import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Context } from '@temporalio/activity';
import { SluiceError } from '../domain/errors';
import type { HostId, ImageId, OperationId } from '../domain/ids';
import type { WarmFacts } from '../domain/images/warm';
import type { Driver, VeeRef } from '../drivers/contract';
import { readJson, writeJson } from '../drivers/lib/atomic-file';
import { packWarm } from '../drivers/lib/pack-warm';

export interface CaptureDeps {
  /** Where what was made waits until the registry has it. */
  readonly folder: string;
  /** Sends a file as an image's content, from wherever that is. @throws SluiceError */
  readonly upload: (imageId: ImageId, path: string, cancelled: AbortSignal) => Promise<void>;
}

/** What a host has made of a VEE, as it is kept on it. */
export interface Captured {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly facts: WarmFacts;
}

interface OfCapture {
  /** It has at most one. */
  readonly operationId: OperationId;
}

/** Warm images in the making, on the agent whose host has the VEE. */
export function createCaptureActivities(on: (hostId: HostId) => Driver, deps?: CaptureDeps) {
  function required(): CaptureDeps {
    if (!deps) throw new SluiceError('capability-missing', 'This agent makes no images.');
    return deps;
  }
  const at = (operationId: OperationId, name = '') => join(required().folder, operationId, name);

  return {
    /** Once: what was made before is what is uploaded, though the VEE has gone on since. */
    async captureVee({
      hostId,
      ref,
      operationId,
    }: OfCapture & { hostId: HostId; ref: VeeRef }): Promise<Captured> {
      const path = (name: string) => at(operationId, name);
      const made = await readJson<Captured>(path('captured.json'));
      if (made) return made;
      const driver = on(hostId);
      if (!driver.capture)
        throw new SluiceError('capability-missing', `The driver of ${hostId} makes no images of what runs.`);
      await rm(path('parts'), { recursive: true, force: true });
      await mkdir(path('parts'), { recursive: true, mode: 0o700 });
      const facts = await driver.capture(ref, path('parts'));
      await packed(path('parts'), path('making'));
      const hash = createHash('sha256');
      await pipeline(createReadStream(path('making')), hash);
      await rename(path('making'), path('image'));
      await rm(path('parts'), { recursive: true, force: true });
      const { size } = await stat(path('image'));
      const captured: Captured = { sha256: hash.digest('hex'), sizeBytes: size, facts };
      await writeJson(path('captured.json'), captured);
      return captured;
    },

    async uploadCapture({ operationId, imageId }: OfCapture & { imageId: ImageId }): Promise<void> {
      await required().upload(imageId, at(operationId, 'image'), Context.current().cancellationSignal);
    },

    /** Nothing to discard is as well. */
    async discardCapture({ operationId }: OfCapture): Promise<void> {
      await rm(at(operationId), { recursive: true, force: true });
    },
  };
}

async function packed(folder: string, path: string): Promise<void> {
  try {
    await packWarm(folder, path);
  } catch (cause) {
    throw new SluiceError('driver-failed', 'What the driver has made of the VEE is not whole.', { cause });
  }
}
