import { createWriteStream } from 'node:fs';
import { mkdtemp, open, rename, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import { FILES } from './command-line';
import type { QemuImage } from './images';
import type { Layout } from './layout';
import type { Machines } from './machines';
import { migrationEvent, STILL } from './migration-events';
import type { QmpClient } from './qmp';

const SUSPEND_MILLIS = 120_000;
const RESTORE_MILLIS = 120_000;

/**
 * Writes a machine's memory and devices to a file. QEMU would need a shell to write one by itself, so it migrates to
 * a socket of ours. It stills the guest for that by itself, and lets it go on when this fails, or we die.
 */
export async function saveState(
  machines: Machines,
  veeId: VeeId,
  path = machines.path(veeId, FILES.memory),
): Promise<void> {
  const qmp = await machines.qmp(veeId);
  const uri = await oneConnection((socket) => pipeline(socket, createWriteStream(`${path}.part`)));
  try {
    await qmp.execute('migrate-set-capabilities', {
      capabilities: [
        { capability: 'events', state: true },
        // Set for good in a machine that has come from another host with its disk.
        { capability: 'pause-before-switchover', state: false },
      ],
    });
    await qmp.execute('migrate-set-parameters', STILL);
    const ended = migrationEvent(qmp, ['completed'], SUSPEND_MILLIS);
    ended.catch(() => undefined);
    await qmp.execute('migrate', { uri: `unix:${uri.path}` });
    await ended;
    await uri.done;
  } catch (error) {
    await qmp.execute('migrate_cancel').catch(() => undefined);
    throw error;
  } finally {
    await uri.close();
  }
  const file = await open(`${path}.part`, 'r+');
  await file.sync();
  await file.close();
  await rename(`${path}.part`, path);
}

/**
 * Reads it into a machine that is begun for it, and still stands then.
 * @throws SluiceError `driver-failed` when QEMU can't
 */
export async function loadState(
  machines: Machines,
  veeId: VeeId,
  layout: Layout,
  image: QemuImage,
  path: string,
): Promise<QmpClient> {
  const state = await open(path, 'r');
  try {
    const qmp = await machines.spawn(veeId, layout, image, { incoming: 'defer' }, state.fd);
    await qmp.execute('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] });
    const loaded = migrationEvent(qmp, ['completed'], RESTORE_MILLIS);
    loaded.catch(() => undefined);
    await qmp.execute('migrate-incoming', { uri: 'fd:3' });
    await loaded;
    return qmp;
  } finally {
    await state.close();
  }
}

/** A socket with a short path, which takes one connection. */
export async function oneConnection(serve: (socket: Socket) => Promise<unknown>) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-qemu-'));
  const path = join(folder, 's');
  let took: (result: Promise<unknown>) => void = () => undefined;
  const done = new Promise<unknown>((resolve) => {
    took = resolve;
  });
  done.catch(() => undefined);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close();
    socket.on('error', () => undefined);
    took(serve(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  }).catch(async (cause) => {
    await rm(folder, { recursive: true, force: true });
    throw new SluiceError('driver-failed', 'No socket could be opened for QEMU.', { cause });
  });
  const close = async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { path, done, close };
}
