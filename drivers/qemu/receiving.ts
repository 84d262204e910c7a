import { randomBytes, timingSafeEqual } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';
import type { TransferOffer, VeeRef } from '../contract';
import { listenForTransfer, type Meeting, NO_CERTIFICATE } from '../lib/secure-channel';
import type { VeeRecords } from '../lib/vee-records';
import { Conversation, type Hello, join, opening, type Said } from './channel';
import { DISK_NODE, FILES } from './command-line';
import type { QemuDriverConfig } from './host';
import { createDisk, type QemuImage } from './images';
import { type Layout, mismatch } from './layout';
import type { Machines } from './machines';

const HELLO_MILLIS = 10_000;
const LOADED_MILLIS = 60_000;
const LOADED_POLL_MILLIS = 5;

/** How the machine would be made here, and from what. */
export interface Place {
  readonly layout: Layout;
  readonly image: QemuImage;
}

/** Awaits one VEE from another host: listens, under a token that only its migration knows, until it has switched over or is cancelled. */
export class Receiver {
  offer: TransferOffer = { address: '', token: randomBytes(16).toString('hex') };
  readonly ref: VeeRef;
  private readonly machines: Machines;
  private readonly records: VeeRecords;
  private readonly place: Place;
  private readonly sockets = new Set<Socket>();
  private readonly reached: QemuDriverConfig['reached'];
  private server: Server | undefined;
  private current: Conversation | undefined;

  constructor(
    ref: VeeRef,
    machines: Machines,
    records: VeeRecords,
    place: Place,
    reached: QemuDriverConfig['reached'],
  ) {
    this.reached = reached;
    this.ref = ref;
    this.machines = machines;
    this.records = records;
    this.place = place;
  }

  async listen(address: string, meeting: Meeting): Promise<void> {
    const take = (serve: (socket: Socket) => Promise<void>) => (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.sockets.delete(socket));
      serve(socket).catch(() => socket.destroy());
    };
    const serve = take((socket) => this.serve(socket));
    const refuse = take((socket) => this.refuse(socket));
    const { server, offer } = await listenForTransfer(address, meeting, serve, refuse);
    this.server = server;
    this.offer = { ...this.offer, ...offer };
  }

  close(): void {
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private async serve(socket: Socket): Promise<void> {
    const said = await opening(socket);
    if (!said || !same(said.token, this.offer.token)) {
      socket.destroy();
      return;
    }
    socket.setTimeout(0);
    if (said.kind === 'control') return this.converse(new Conversation(socket));
    const pid = (await this.machines.find(this.ref.veeId))?.pid;
    const file = said.kind === 'memory' ? FILES.incomingMemory : FILES.incomingDisk;
    const local = connect({ path: `/proc/${pid}/cwd/${file}`, allowHalfOpen: true });
    local.on('error', () => socket.destroy());
    await join(socket, local);
  }

  /** An agent of an earlier release: it knows the token, and is told why that is not enough. */
  private async refuse(socket: Socket): Promise<void> {
    const said = await opening(socket);
    if (!said || !same(said.token, this.offer.token) || said.kind !== 'control') socket.destroy();
    else new Conversation(socket).say({ refused: NO_CERTIFICATE });
  }

  private async converse(source: Conversation): Promise<void> {
    const { veeId } = this.ref;
    const answer = (said: Said) => source.say(said);
    this.current?.close();
    this.current = source;
    const hello = await source.next<Hello>(HELLO_MILLIS);
    try {
      const wrong = mismatch(hello.layout, this.place.layout);
      if (wrong) return answer({ refused: wrong });
      if (await this.records.exclusively(veeId, () => this.makeReady(hello)))
        return answer({ received: true });
      answer({ ready: true });
      // The source may take as long as it takes; when it is gone, the connection tells.
      const said = await source.next<Said>();
      await this.records.exclusively(veeId, () =>
        this.conclude(hello.layout, 'console' in said ? said.console : ''),
      );
      answer({ received: true });
    } catch {
      // A newer conversation may have a machine of its own by now.
      if (this.current === source) await this.records.exclusively(veeId, () => this.drop());
      source.close();
    }
  }

  /** @returns true when all of it has been received before */
  private async makeReady({ layout, sentBefore }: Hello): Promise<boolean> {
    const { veeId } = this.ref;
    await this.requireAwaited();
    const received = (await this.machines.kept(veeId))?.received === true;
    if (received && sentBefore && (await this.machines.find(veeId))) return true;
    await this.machines.end(veeId, 0);
    // As large as it is over there, whatever is recorded; and nothing of an earlier attempt in it.
    if (layout.diskMiB > 0)
      await createDisk(this.machines.path(veeId, FILES.disk), this.place.image, layout.diskMiB);
    const qmp = await this.machines.spawn(veeId, layout, this.place.image, { incoming: 'defer' });
    await qmp.execute('migrate-set-capabilities', {
      capabilities: [
        { capability: 'events', state: true },
        { capability: 'pause-before-switchover', state: layout.diskMiB > 0 },
        // The disk is still written to from outside when the memory has come.
        { capability: 'late-block-activate', state: true },
      ],
    });
    if (layout.diskMiB > 0) {
      const path = FILES.incomingDisk;
      await qmp.execute('nbd-server-start', { addr: { type: 'unix', data: { path } } });
      const node = { type: 'nbd', id: 'incoming', 'node-name': DISK_NODE, name: DISK_NODE, writable: true };
      await qmp.execute('block-export-add', node);
    }
    await qmp.execute('migrate-incoming', { uri: `unix:${FILES.incomingMemory}` });
    await this.reached?.('prepare');
    return false;
  }

  private async conclude(layout: Layout, console: string): Promise<void> {
    const { veeId } = this.ref;
    await this.requireAwaited();
    const qmp = await this.machines.qmp(veeId);
    for (const until = Date.now() + LOADED_MILLIS; ; await delay(LOADED_POLL_MILLIS)) {
      const { status } = await qmp.execute<{ status?: string }>('query-migrate');
      if (status === 'completed') break;
      if (status === 'failed' || Date.now() >= until)
        throw new SluiceError('driver-failed', `${veeId} did not arrive whole.`);
    }
    if (layout.diskMiB > 0) await qmp.execute('nbd-server-stop');
    // It goes on where it was: the machine has written nothing here yet.
    await writeFile(this.machines.path(veeId, FILES.console), console);
    const kept = await this.machines.kept(veeId);
    if (kept) await this.machines.keep(veeId, { ...kept, received: true });
  }

  private async drop(): Promise<void> {
    const vee = await this.records.get(this.ref.veeId);
    if (vee?.spec.epoch === this.ref.epoch && vee.state === 'INCOMING')
      await this.machines.end(this.ref.veeId, 0);
  }

  private async requireAwaited(): Promise<void> {
    const vee = await this.records.acting(this.ref);
    if (vee.state !== 'INCOMING')
      throw new SluiceError('driver-refused', `${this.ref.veeId} is ${vee.state}, and not awaited here.`);
  }
}

function same(a: unknown, b: string): boolean {
  const [one, other] = [Buffer.from(String(a)), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
