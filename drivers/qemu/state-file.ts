import { createWriteStream } from 'node:fs';
import { mkdtemp, open, rename, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import { FILES } from './command-line';
import type { Machines } from './machines';
import { migrationEvent, STILL } from './migration-events';

const SUSPEND_MILLIS = 120_000;

/**
 * Writes a machine's memory and devices to a file. QEMU would need a shell to write one by itself, so it migrates to
 * a socket of ours. It stills the guest for that by itself, and lets it go on when this fails, or we die.
 */
export async function saveState(machines: Machines, veeId: VeeId): Promise<void> {
  const path = machines.path(veeId, FILES.memory);
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
