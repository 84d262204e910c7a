import { SluiceError } from '../domain/errors';
import { type ContainerDriverConfig, createContainerDriver } from './container/driver';
import type { Driver, DriverConfig } from './contract';
import { createSimulatorDriver } from './simulator/driver';

/** Every driver of this release. To add one: pass the contract suite, then list it here. */
const DRIVERS: Readonly<Record<string, (config: ContainerDriverConfig) => Promise<Driver>>> = {
  simulator: createSimulatorDriver,
  container: createContainerDriver,
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
