import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { type ImageId, makeImageId, type OperationId, type VeeId } from '../domain/ids';
import { hostOf } from '../store/snapshot';
import type { Captured } from './captures';
import type { SiteDeps } from './deps';

const imageIdOf = (operationId: OperationId) => makeImageId(derivedEntropy(operationId, 'image'));

/** The registry's side of warm images in the making. */
export function createCaptureRecordActivities({ store, now }: SiteDeps) {
  return {
    /** It belongs to the VEE's tenant; only the agent that has made it may upload it. */
    async registerCapture({
      operationId,
      veeId,
      name,
      captured,
    }: {
      operationId: OperationId;
      veeId: VeeId;
      name: string;
      captured: Captured;
    }): Promise<ImageId> {
      const vee = await store.vees.get(veeId);
      if (!vee) throw new SluiceError('not-found', `There is no VEE ${veeId}.`);
      const { agentId } = await hostOf(store, vee.hostId);
      const { sha256, sizeBytes, facts } = captured;
      const image = await store.images.create({
        ...{
          id: imageIdOf(operationId),
          owner: vee.tenantId,
          name,
          digest: sha256,
          format: 'warm',
          sizeBytes,
        },
        ...{ leastMemoryMiB: facts.memoryMiB, leastDiskMiB: facts.diskMiB, warm: facts, uploader: agentId },
        ...{ sharedWith: [], deprecated: false, state: 'uploading', createdAt: now() },
      });
      return image.id;
    },

    /** Undo of `registerCapture`, and of what was uploaded since. */
    async dropCapture({ operationId }: { operationId: OperationId }): Promise<void> {
      const id = imageIdOf(operationId);
      const image = await store.images.get(id);
      if (!image) return;
      await store.images.change(id, image.state, { state: 'removing' });
      await store.imageBlobs.release(id, image.digest);
      await store.images.remove(id, 'removing');
      await store.imageBlobs.dropUpload(id);
    },
  };
}
