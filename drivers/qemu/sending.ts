import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import type { SendOptions } from '../contract';
import { tailOf } from '../lib/console-log';
import { announce } from './announce';
import { type ChannelKind, Conversation, dial, type Hello, join, type Peer, type Said } from './channel';
import { DISK_NODE, FILES } from './command-line';
import type { QemuDriverConfig } from './host';
import { memoryBytesOf, refused } from './layout';
import { liveState, type Machines } from './machines';
import { LIVE, migrationEvent } from './migration-events';
import type { QmpClient } from './qmp';
import { oneConnection } from './state-file';
import { NOT_SLOWED, watchTransfer } from './watching';

const ANSWER_MILLIS = 30_000;
const SETTLE_MILLIS = 10_000;
const CONSOLE_LINES = 1_000;
const MIRROR = 'mirror';
const TARGET_NODE = 'target';

/**
 * Sends a running machine to where it is awaited. It runs on until all but its last changes are there, and is still
 * when this returns. Whatever fails before that leaves it running here.
 * @throws SluiceError `driver-failed`, `driver-refused` when the target can't take it
 */
export async function sendMachine(
  machines: Machines,
  veeId: VeeId,
  peer: Peer,
  how: SendOptions,
  cancelled: AbortSignal,
  reached: Reached = async () => undefined,
): Promise<void> {
  const layout = (await machines.kept(veeId))?.layout;
  if (!layout) throw refused(`${veeId} has no machine.`);
  const qmp = await machines.qmp(veeId);
  // An agent that died after all was sent finds it like this, and so does its successor.
  const sentBefore = (await statusOf(qmp)) === 'postmigrate';
  const target = new Conversation(await dial(peer, 'control'));
  const relays = { memory: await relay(peer, 'memory'), disk: await relay(peer, 'disk') };
  try {
    target.say({ layout, sentBefore } satisfies Hello);
    const first = await target.next<Said>(ANSWER_MILLIS);
    if ('received' in first) return;
    if ('refused' in first) throw refused(`The target can't take it: ${first.refused}.`);
    await settle(machines, veeId);
    try {
      const ended = AbortSignal.any([cancelled, target.gone]);
      const over = new AbortController();
      const watching = watchTransfer(qmp, how, memoryBytesOf(layout), AbortSignal.any([ended, over.signal]));
      const stopsHalfway = new Promise<never>((_, reject) => watching.catch(reject));
      const sent = transfer(line(qmp, ended), layout.diskMiB > 0, how, relays, reached);
      try {
        await orGone(Promise.race([sent, stopsHalfway]), ended, cancelled);
      } finally {
        over.abort();
      }
      const lines = await tailOf(machines.path(veeId, FILES.console), CONSOLE_LINES);
      target.say({ sent: true, console: lines.map((line) => `${line}\n`).join('') });
      const last = await target.next<Said>(ANSWER_MILLIS);
      if (!('received' in last))
        throw new SluiceError('driver-failed', 'The target has not received all of it.');
      await reached('received');
    } catch (error) {
      // First, so that what it may have received is dropped over there.
      target.close();
      await settle(machines, veeId);
      throw error;
    }
  } finally {
    target.close();
    for (const { close } of Object.values(relays)) await close();
  }
}

type Relays = Readonly<Record<'memory' | 'disk', { readonly path: string }>>;

type Reached = NonNullable<QemuDriverConfig['reached']>;

type Line = Pick<QmpClient, 'execute' | 'event'>;

/** Nothing more is begun once it is over: what brings the machine back must have the last word. */
function line(qmp: QmpClient, ended: AbortSignal): Line {
  return {
    execute: async (command, args, timeoutMillis) => {
      ended.throwIfAborted();
      return qmp.execute(command, args, timeoutMillis);
    },
    event: (matches, timeoutMillis, what) => qmp.event(matches, timeoutMillis, what),
  };
}

async function transfer(
  qmp: Line,
  withDisk: boolean,
  how: SendOptions,
  relays: Relays,
  reached: Reached,
): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: [
      { capability: 'events', state: true },
      // A guest that writes faster than can be sent is slowed down, a little more each time.
      { capability: 'auto-converge', state: true },
      // The disk is complete when the guest is still, and has to be told so before the target may have it.
      { capability: 'pause-before-switchover', state: withDisk },
    ],
  });
  const speed = how.bandwidthKbps === undefined ? undefined : Math.ceil((how.bandwidthKbps * 1_000) / 8);
  const limit = speed === undefined ? {} : { 'max-bandwidth': speed };
  await qmp.execute('migrate-set-parameters', { ...LIVE, ...NOT_SLOWED, ...limit });
  if (withDisk) await mirror(qmp, relays.disk.path, speed, reached);
  // Not before its disk is there, which is copied no faster for that.
  if (how.stopAndCopy) await qmp.execute('stop');
  const moved = migrationEvent(qmp, ['pre-switchover', 'completed'], undefined);
  moved.catch(() => undefined);
  await qmp.execute('migrate', { uri: `unix:${relays.memory.path}` });
  await reached('memory');
  if ((await moved) === 'pre-switchover') {
    await reached('pre-switchover');
    const whole = jobEvent(qmp, 'BLOCK_JOB_COMPLETED');
    await qmp.execute('block-job-cancel', { device: MIRROR });
    await whole;
    const done = migrationEvent(qmp, ['completed'], undefined);
    done.catch(() => undefined);
    await qmp.execute('migrate-continue', { state: 'pre-switchover' });
    await done;
  }
  if (withDisk) await qmp.execute('blockdev-del', { 'node-name': TARGET_NODE });
  await reached('switch-over');
}

/** Copies the disk to the target's, and from then on each write to both. */
async function mirror(qmp: Line, path: string, speed: number | undefined, reached: Reached): Promise<void> {
  await qmp.execute('blockdev-add', {
    driver: 'nbd',
    'node-name': TARGET_NODE,
    server: { type: 'unix', path },
    export: DISK_NODE,
  });
  const ready = jobEvent(qmp, 'BLOCK_JOB_READY');
  await qmp.execute('blockdev-mirror', {
    'job-id': MIRROR,
    device: DISK_NODE,
    target: TARGET_NODE,
    sync: 'full',
    'copy-mode': 'write-blocking',
    ...(speed === undefined ? {} : { speed }),
  });
  await reached('mirror');
  await ready;
}

function jobEvent(qmp: Line, name: string) {
  const ended = ['BLOCK_JOB_COMPLETED', 'BLOCK_JOB_CANCELLED', 'BLOCK_JOB_ERROR'];
  const seen = qmp
    .event(({ event, data }) => data.device === MIRROR && [name, ...ended].includes(event), undefined, name)
    .then(({ event, data }) => {
      if (event !== name || data.error)
        throw new SluiceError('driver-failed', `The disk could not be copied: ${data.error ?? event}.`);
    });
  seen.catch(() => undefined);
  return seen;
}

/** A machine whose migration is over, one way or another, runs again. Fine when none was begun. */
export async function settle(machines: Machines, veeId: VeeId): Promise<void> {
  const qmp = await machines.qmp(veeId);
  await qmp.execute('migrate_cancel');
  for (const until = Date.now() + SETTLE_MILLIS; ; await delay(20)) {
    const { status = 'none' } = await qmp.execute<{ status?: string }>('query-migrate');
    if (['none', 'completed', 'failed', 'cancelled'].includes(status)) break;
    if (Date.now() >= until)
      throw new SluiceError('driver-failed', `The migration of ${veeId} can't be cancelled.`);
  }
  for (const until = Date.now() + SETTLE_MILLIS; ; await delay(20)) {
    const jobs = await qmp.execute<unknown[]>('query-block-jobs');
    if (jobs.length === 0) break;
    if (Date.now() >= until)
      throw new SluiceError('driver-failed', `The copy of ${veeId}’s disk can't be cancelled.`);
    await qmp.execute('block-job-cancel', { device: MIRROR, force: true }).catch(() => undefined);
  }
  await qmp.execute('blockdev-del', { 'node-name': TARGET_NODE }).catch(() => undefined);
  const status = await statusOf(qmp);
  // What has ended by itself meanwhile has ended.
  if (status === 'running' || liveState(status) === 'EXITED') return;
  await qmp.execute('cont');
  await announce(qmp, (await machines.kept(veeId))?.layout.nics);
}

const statusOf = async (qmp: QmpClient): Promise<string> =>
  (await qmp.execute<{ status: string }>('query-status')).status;

/** Where QEMU connects to, and what it says is carried to the target under the migration's token. */
async function relay(peer: Peer, kind: ChannelKind) {
  return oneConnection(async (local) => {
    try {
      await join(local, await dial(peer, kind));
    } catch {
      // Its QEMU notices.
      local.destroy();
    }
  });
}

/** @throws SluiceError `driver-failed` as soon as it is cancelled, or the target is gone */
async function orGone<T>(work: Promise<T>, signal: AbortSignal, cancelled: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  const gone = new Promise<never>((_, reject) => {
    const end = () =>
      reject(
        new SluiceError(
          'driver-failed',
          cancelled.aborted ? 'The migration was cancelled.' : 'The target host has left the migration.',
        ),
      );
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
  return Promise.race([work, gone]);
}
