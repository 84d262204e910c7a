import { stat } from 'node:fs/promises';
import { SluiceError } from '../../domain/errors';
import { type HostDevices, ownNodesOf, sharedNodesOf } from '../lib/device-numbers';

/** A device node as the OCI runtime makes it again inside a container, and lets it be used. */
export interface DeviceNode {
  readonly path: string;
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
}

/** @throws SluiceError `driver-refused` for what is no device node of this host */
export async function readDeviceNode(path: string): Promise<DeviceNode> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  const type = found?.isCharacterDevice() ? 'c' : found?.isBlockDevice() ? 'b' : undefined;
  if (!found || !type)
    throw new SluiceError('driver-refused', `${path}, which SLUICE_HOSTS names, is no device of this host.`);
  const { rdev } = found;
  // As glibc's gnu_dev_major and gnu_dev_minor take a dev_t apart.
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return { path, type, major: Number(major), minor: Number(minor & 0xffffffffn) };
}

/**
 * Before any VEE is given one: all are there, and none of them twice, by whatever path.
 * @throws SluiceError `driver-refused`
 */
export async function checkDeviceNodes(devices: HostDevices = {}): Promise<void> {
  const known = new Map<string, string>();
  for (const path of [...sharedNodesOf(devices), ...ownNodesOf(devices)]) {
    const { type, major, minor } = await readDeviceNode(path);
    const node = `${type} ${major}:${minor}`;
    const other = known.get(node);
    if (other !== undefined)
      throw new SluiceError(
        'driver-refused',
        `${other} and ${path}, which SLUICE_HOSTS names, are the same device.`,
      );
    known.set(node, path);
  }
}
