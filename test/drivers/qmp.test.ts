import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QmpClient } from '../../drivers/qemu/qmp';

const GREETING = `${JSON.stringify({ QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 } }, capabilities: [] } })}\r\n`;

type Command = { execute: string; id: number; arguments?: unknown };

/** A server that speaks QMP as it is told: for each command, what to write. */
class FakeQemu {
  readonly heard: Command[] = [];
  readonly path: string;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(path: string, answer: (command: Command, socket: Socket) => void, greeting = GREETING) {
    this.path = path;
    this.server = createServer((socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.write(greeting);
      socket.setEncoding('utf8');
      socket.on('data', (text: string) => {
        for (const line of text.trim().split('\n')) {
          const command = JSON.parse(line) as Command;
          this.heard.push(command);
          if (command.execute === 'qmp_capabilities') reply(socket, command);
          else answer(command, socket);
        }
      });
    });
  }

  listen = () => new Promise<void>((resolve) => this.server.listen(this.path, resolve));
  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

const line = (message: unknown) => `${JSON.stringify(message)}\r\n`;
const reply = (socket: Socket, { id }: Command, value: unknown = {}) =>
  socket.write(line({ return: value, id }));
const event = (name: string, data: unknown = {}) =>
  line({ event: name, data, timestamp: { seconds: 1, microseconds: 2 } });

describe('the QMP client', () => {
  let folder: string;
  let qemu: FakeQemu | undefined;
  let client: QmpClient | undefined;
  let serial = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-qmp-'));
  });
  afterEach(() => {
    client?.close();
    qemu?.stop();
    [client, qemu] = [undefined, undefined];
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function serve(
    answer: (command: Command, socket: Socket) => void,
    greeting?: string,
  ): Promise<string> {
    qemu = new FakeQemu(join(folder, `${serial++}.sock`), answer, greeting);
    await qemu.listen();
    return qemu.path;
  }
  async function connected(answer: (command: Command, socket: Socket) => void): Promise<QmpClient> {
    client = await QmpClient.connect(await serve(answer));
    return client;
  }

  it('reads the greeting, negotiates, and knows the version', async () => {
    const qmp = await connected(() => undefined);
    expect(qmp.version).toBe('7.2.22');
    expect(qemu?.heard.map((c) => c.execute)).toEqual(['qmp_capabilities']);
  });

  it('gives each answer to who asked for it, in whatever order they come', async () => {
    const held: [Socket, Command][] = [];
    const qmp = await connected((command, socket) => {
      held.push([socket, command]);
      if (held.length === 3) for (const [s, c] of held.reverse()) reply(s, c, c.execute);
    });
    const answers = await Promise.all(['one', 'two', 'three'].map((name) => qmp.execute(name)));
    expect(answers).toEqual(['one', 'two', 'three']);
  });

  it('sends arguments as they are', async () => {
    const qmp = await connected((command, socket) => reply(socket, command));
    await qmp.execute('migrate', { uri: 'unix:/a "b" \n $(c)' });
    expect(qemu?.heard.at(-1)?.arguments).toEqual({ uri: 'unix:/a "b" \n $(c)' });
  });

  it.each([1, 2, 7])('understands answers cut into packets of %i bytes', async (size) => {
    const qmp = await connected((command, socket) => {
      const text = event('STOP') + line({ return: { status: 'paused – ü' }, id: command.id });
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += size) socket.write(bytes.subarray(at, at + size));
    });
    const stopped = qmp.event(({ event: e }) => e === 'STOP', 1_000);
    expect(await qmp.execute('query-status')).toEqual({ status: 'paused – ü' });
    expect((await stopped).event).toBe('STOP');
  });

  it('takes events that come before the answer of the command that caused them', async () => {
    const qmp = await connected((command, socket) => {
      socket.write(event('MIGRATION', { status: 'setup' }) + event('MIGRATION', { status: 'completed' }));
      reply(socket, command);
    });
    const done = qmp.event((e) => e.data.status === 'completed', 1_000);
    await qmp.execute('migrate');
    expect(await done).toEqual({ event: 'MIGRATION', data: { status: 'completed' } });
  });

  it('tells a refusal with QEMU’s class and words, and goes on', async () => {
    const qmp = await connected((command, socket) =>
      command.execute === 'nonsense'
        ? socket.write(line({ error: { class: 'CommandNotFound', desc: 'no such command' }, id: command.id }))
        : reply(socket, command, 'fine'),
    );
    await expect(qmp.execute('nonsense')).rejects.toMatchObject({
      name: 'SluiceError',
      code: 'driver-failed',
      kind: 'refused',
      errorClass: 'CommandNotFound',
    });
    expect(await qmp.execute('query-status')).toBe('fine');
  });

  it('fails what is under way when the socket closes in the middle, and all that is asked later', async () => {
    const qmp = await connected((command, socket) => {
      socket.write(`{"return": {}, "id": ${command.id}`);
      setTimeout(() => socket.destroy(), 10);
    });
    const awaited = qmp.event(() => true, 1_000);
    await expect(qmp.execute('quit')).rejects.toMatchObject({ kind: 'closed' });
    await expect(awaited).rejects.toMatchObject({ kind: 'closed' });
    await expect(qmp.execute('query-status')).rejects.toMatchObject({ kind: 'closed' });
    expect(qmp.isOpen).toBe(false);
  });

  it('gives up a command after its own time, and is not confused by the late answer', async () => {
    let late: (() => void) | undefined;
    const qmp = await connected((command, socket) => {
      if (command.execute === 'slow') late = () => reply(socket, command, 'late');
      else reply(socket, command, 'in time');
    });
    await expect(qmp.execute('slow', undefined, 20)).rejects.toMatchObject({ kind: 'timeout' });
    late?.();
    expect(await qmp.execute('quick')).toBe('in time');
  });

  it('gives up an event that does not come', async () => {
    const qmp = await connected(() => undefined);
    await expect(qmp.event(() => true, 20, 'anything')).rejects.toMatchObject({ kind: 'timeout' });
  });

  it('ends a connection that speaks no JSON', async () => {
    const qmp = await connected((_, socket) => socket.write('Hello?\n'));
    await expect(qmp.execute('query-status')).rejects.toMatchObject({ kind: 'closed' });
  });

  it('says so when nobody listens, nobody greets, or the greeter leaves', async () => {
    await expect(QmpClient.connect(join(folder, 'nobody.sock'))).rejects.toMatchObject({ kind: 'closed' });
    await expect(QmpClient.connect(await serve(() => undefined, '\n'), 30)).rejects.toMatchObject({
      kind: 'timeout',
    });
    const leaving = createServer((socket) => socket.end());
    const path = join(folder, 'leaving.sock');
    await new Promise<void>((resolve) => leaving.listen(path, resolve));
    await expect(QmpClient.connect(path)).rejects.toMatchObject({ kind: 'closed' });
    leaving.close();
  });

  it('connects again after the first connection has ended', async () => {
    const first = await connected((command, socket) => reply(socket, command, 'hello'));
    first.close();
    await expect(first.execute('query-status')).rejects.toMatchObject({ kind: 'closed' });
    client = await QmpClient.connect(qemu?.path ?? '');
    expect(await client.execute('query-status')).toBe('hello');
  });
});
