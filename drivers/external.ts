import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { SluiceError } from '../domain/errors';
import { FINGERPRINT_FIELDS } from '../domain/host-fields';
import type { Driver, DriverConfig } from './contract';
import { packageOf } from './external-names';
import { CONTRACT, type DriverPackage, kit } from './kit';

const VERBS: readonly (keyof Driver)[] = [
  ...([
    'fingerprint',
    'define',
    'start',
    'pause',
    'resume',
    'suspend',
    'restore',
    'stop',
    'destroy',
  ] as const),
  ...(['resize', 'inspect', 'list', 'measure', 'logs', 'exec', 'recover', 'prepareTarget', 'send'] as const),
  ...(['switchOver', 'finish', 'cancel', 'close'] as const),
];

/** As the site takes it: a driver learns here what is wrong, and not from a join that is refused. */
const fingerprintSchema = z.object({
  ...FINGERPRINT_FIELDS,
  description: FINGERPRINT_FIELDS.description.min(1),
  capabilities: z.strictObject({
    ...{ pause: z.boolean(), suspend: z.boolean(), liveResize: z.boolean() },
    migration: z.enum(['live', 'cold', 'none']),
    ...{
      exec: z.boolean(),
      logs: z.boolean(),
      networks: z.boolean().optional(),
      context: z.boolean().optional(),
    },
    enforces: z.strictObject({ cpu: z.boolean(), memory: z.boolean(), disk: z.boolean() }),
  }),
});

/**
 * A driver of somebody else's, which runs in the agent's process with all its rights: packages are code.
 * @param folder from which packages are found, and paths are meant: what `SLUICE_DRIVERS` says, or where the agent runs
 * @throws SluiceError `request-invalid` for what is there and is no driver, or is not there
 */
export async function loadExternal(
  name: string,
  config: DriverConfig,
  folder = resolve(process.env.SLUICE_DRIVERS ?? '.'),
): Promise<Driver> {
  const refused = (why: string, cause?: unknown) =>
    new SluiceError('request-invalid', `The driver "${name}" is not usable: ${why}.`, { cause });
  const found = load(packageOf(name) ?? resolve(folder, name), folder);
  if ('because' in found) throw refused(found.because, found.cause);
  const { contract, createDriver } = found.exports;
  if (typeof createDriver !== 'function') throw refused('it exports no function createDriver');
  if (contract !== CONTRACT)
    throw refused(`it is written for contract ${String(contract)}, and this release has ${CONTRACT}`);
  const driver = await createDriver(config, kit);
  const missing = VERBS.filter((verb) => typeof driver?.[verb] !== 'function');
  if (missing.length > 0) throw refused(`it has no ${missing.join(', ')}`);
  const print = fingerprintSchema.safeParse(await driver.fingerprint());
  if (!print.success) {
    await driver.close();
    throw refused(`its fingerprint is none: ${z.prettifyError(print.error).replaceAll(/\s+/g, ' ')}`);
  }
  if (driver.name !== print.data.driver) {
    await driver.close();
    throw refused(`it is called ${driver.name}, and its fingerprint says ${print.data.driver}`);
  }
  return driver;
}

function load(
  from: string,
  folder: string,
): { readonly exports: Partial<DriverPackage> } | { readonly because: string; readonly cause: unknown } {
  const require = createRequire(join(folder, 'anything.js'));
  let path: string;
  try {
    path = require.resolve(from);
  } catch (cause) {
    return { because: `it is not found from ${folder}`, cause };
  }
  try {
    // Node loads ES modules by this, too.
    const { default: other, ...named } = require(path);
    return { exports: named.createDriver ? named : (other ?? named) };
  } catch (cause) {
    return { because: `it can't be loaded (${(cause as Error).message.split('\n')[0]})`, cause };
  }
}
