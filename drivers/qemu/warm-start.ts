import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { warmMismatch } from '../../domain/images/warm';
import type { VeeSpec } from '../contract';
import { deviceVariables } from '../lib/device-numbers';
import type { KeptVee } from '../lib/vee-records';
import { announce } from './announce';
import { FILES } from './command-line';
import { identityScript } from './context';
import { createDisk, type QemuImage } from './images';
import { refused } from './layout';
import type { Machines } from './machines';
import { loadState } from './state-file';
import { clearMark, WARM_MARK, type WarmMachine, warmLayout } from './warm';

const IDENTITY_MILLIS = 15_000;
const CHANCE_BYTES = 64;

export const isNew = (folder: string): boolean => existsSync(join(folder, WARM_MARK));
export const markNew = (folder: string): Promise<void> => writeFile(join(folder, WARM_MARK), '');
const BEGUN = 'begun';

/** @throws SluiceError `driver-refused` for a VEE that its image's machine can't become */
export function requireLike(warm: WarmMachine, digest: string, spec: VeeSpec): void {
  const interfaces = spec.networks?.length ?? 0;
  const wrong = warmMismatch(warm.facts, { ...spec.template.capacity, interfaces });
  if (wrong) throw refused(`It can't begin as it is asked for: ${wrong.message}.`);
  warmLayout(warm, digest, spec);
}

/**
 * A machine goes on from where its image was stilled, on a disk of its own, and becomes this VEE. Until it has become
 * it, nobody takes it for that: whatever is left of an attempt, the next one begins anew. Until it has its own
 * hardware address its host lets nothing of it out.
 */
export async function goOnAs(
  machines: Machines,
  vee: KeptVee,
  image: QemuImage,
  warm: WarmMachine,
): Promise<void> {
  const { spec } = vee;
  const { veeId } = spec;
  const layout = warmLayout(warm, image.digest, spec);
  const mark = machines.path(veeId, WARM_MARK);
  // What an earlier attempt has written does not go with the memory that this one begins with.
  if (layout.diskMiB > 0 && (await readFile(mark, 'utf8')) === BEGUN)
    await createDisk(machines.path(veeId, FILES.disk), image, layout.diskMiB);
  await writeFile(mark, BEGUN, { flush: true });
  try {
    const qmp = await loadState(machines, veeId, layout, image, warm.memoryPath);
    await qmp.execute('cont');
    await become(machines, vee);
    await announce(qmp, spec.networks);
    await clearMark(machines.path(veeId, '.'));
  } catch (error) {
    await machines.end(veeId, 0).catch(() => undefined);
    throw error;
  }
}

async function become(machines: Machines, { spec, devices }: KeptVee): Promise<void> {
  const { veeId } = spec;
  const chance = randomBytes(CHANCE_BYTES).toString('hex');
  const script = identityScript(spec, deviceVariables(devices), chance, Date.now());
  const { exitCode, stdout } = await machines.withAgent(veeId, IDENTITY_MILLIS, (agent) =>
    agent.exec(['/bin/sh'], IDENTITY_MILLIS, script),
  );
  if (exitCode !== 0)
    throw new SluiceError(
      'driver-failed',
      `${veeId} could not be told who it is: its guest ended with ${exitCode}. ${stdout.slice(-300)}`.trimEnd(),
    );
}
