import { createServer, connect as dial, type Server, type Socket } from 'node:net';

interface Target {
  readonly host: string;
  readonly port: number;
}

/**
 * A TCP proxy that can be cut, for one party's way to one address. While it is cut nothing gets through in either
 * direction, and neither side is told: packets are lost, connections stay open, and new ones are never answered,
 * as when a switch dies. What was on its way is delivered late when the cut heals (TCP sends it again), unless the
 * connections are broken first.
 */
export class CutProxy {
  private readonly target: Target;
  private readonly server: Server;
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private readonly waiting = new Set<Socket>();
  private isCut = false;

  private constructor(target: Target) {
    this.target = target;
    this.server = createServer((near) => this.accept(near));
  }

  /** @param address `host:port` or a URL */
  static async to(address: string): Promise<CutProxy> {
    const url = new URL(address.includes('://') ? address : `tcp://${address}`);
    const proxy = new CutProxy({ host: url.hostname, port: Number(url.port) });
    await new Promise<void>((resolve, reject) => {
      proxy.server.once('error', reject);
      proxy.server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get address(): string {
    const bound = this.server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the proxy does not listen');
    return `127.0.0.1:${bound.port}`;
  }

  /** How many connections go through it now, or would. */
  get connections(): number {
    return this.pairs.size + this.waiting.size;
  }

  cut(): void {
    this.isCut = true;
    for (const [near, far] of this.pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.pause();
      far.pause();
    }
  }

  /** @param connections whether those that were open go on where they were, or are found broken */
  heal(connections: 'go on' | 'break'): void {
    this.isCut = false;
    if (connections === 'break') this.breakAll();
    for (const [near, far] of this.pairs) join(near, far);
    for (const near of this.waiting) this.open(near);
    this.waiting.clear();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.breakAll();
    await closed;
  }

  private accept(near: Socket): void {
    near.on('error', () => undefined);
    if (!this.isCut) {
      this.open(near);
      return;
    }
    near.pause();
    this.waiting.add(near);
    near.once('close', () => this.waiting.delete(near));
  }

  private open(near: Socket): void {
    const far = dial(this.target);
    const pair = [near, far] as const;
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).once('close', end);
    if (!this.isCut) join(near, far);
  }

  private breakAll(): void {
    for (const socket of [...[...this.pairs].flat(), ...this.waiting]) socket.resetAndDestroy();
    this.pairs.clear();
    this.waiting.clear();
  }
}

function join(near: Socket, far: Socket): void {
  near.pipe(far);
  far.pipe(near);
}
