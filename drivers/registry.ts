import { SluiceError } from '../domain/errors';
import type { Driver, DriverConfig } from './contract';

/** Every driver of this release, loaded when it is used. To add one: pass the contract suite, then list it here. */
const DRIVERS: Readonly<Record<string, (config: DriverConfig) => Promise<Driver>>> = {
  simulator: async (config) => (await import('./simulator/driver')).createSimulatorDriver(config),
  container: async (config) => (await import('./container/driver')).createContainerDriver(config),
  qemu: async (config) => (await import('./qemu/driver')).createQemuDriver(config),
};

export const DRIVER_NAMES = Object.keys(DRIVERS);

export function createDriver(name: string, config: DriverConfig): Promise<Driver> {
  const create = DRIVERS[name];
  if (!create)
    throw new SluiceError(
      'request-invalid',
      `There is no driver "${name}"; known are ${DRIVER_NAMES.join(', ')}.`,
    );
  return create(config);
}
