import { SluiceError } from '../domain/errors';
import type { Driver, DriverConfig } from './contract';
import { isExternal } from './external-names';

/** Every driver of this release, loaded when it is used. To add one: pass the contract suite, then list it here. */
const DRIVERS: Readonly<Record<string, (config: DriverConfig) => Promise<Driver>>> = {
  simulator: async (config) => (await import('./simulator/driver')).createSimulatorDriver(config),
  container: async (config) => (await import('./container/driver')).createContainerDriver(config),
  qemu: async (config) => (await import('./qemu/driver')).createQemuDriver(config),
};

export const DRIVER_NAMES = Object.keys(DRIVERS);
export const isDriverName = (name: string): boolean => Object.hasOwn(DRIVERS, name) || isExternal(name);
export const DRIVERS_IN_WORDS = `one of ${DRIVER_NAMES.join(', ')}, npm:PACKAGE, or a path`;

/** @throws SluiceError `request-invalid` for one that there is not, or that is none */
export async function createDriver(name: string, config: DriverConfig): Promise<Driver> {
  const create = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined;
  if (create) return create(config);
  if (isExternal(name)) return (await import('./external')).loadExternal(name, config);
  throw new SluiceError('request-invalid', `There is no driver "${name}": it is ${DRIVERS_IN_WORDS}.`);
}
