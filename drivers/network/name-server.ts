import type { Server, Socket } from 'node:net';
import type { Found } from '../../domain/network/name-tables';
import { answerTo } from './name-answers';
import { closeSockets, type NameSockets } from './name-sockets';

const IDLE_MILLIS = 5_000;
const MOST_CONNECTIONS = 64;
/** No question is longer. */
const LONGEST_QUESTION = 1_024;
const LENGTH_BYTES = 2;

/** Answers on one network. */
export class NameServer {
  private readonly sockets: NameSockets;
  private readonly lookUp: (from: string, name: string) => Found;
  private readonly connections = new Set<Socket>();
  private turn = 0;

  /** @param lookUp what a name stands for to whoever asks from that address */
  constructor(sockets: NameSockets, lookUp: (from: string, name: string) => Found) {
    this.sockets = sockets;
    this.lookUp = lookUp;
    for (const socket of sockets.udp) {
      socket.unref();
      // An answer that can't be sent is one that whoever asked asks for again.
      socket.on('error', () => undefined);
      socket.on('message', (message, { address, port }) => {
        const answer = this.answer(message, address, 'udp');
        if (answer) socket.send(answer, port, address, () => undefined);
      });
    }
    for (const server of sockets.tcp) this.serve(server);
  }

  close(): void {
    closeSockets(this.sockets);
    for (const connection of this.connections) connection.destroy();
  }

  private answer(message: Buffer, from: string, over: 'udp' | 'tcp'): Buffer | undefined {
    this.turn = (this.turn + 1) % Number.MAX_SAFE_INTEGER;
    return answerTo(message, { over, turn: this.turn, lookUp: (name) => this.lookUp(from, name) });
  }

  private serve(server: Server): void {
    server.unref();
    server.maxConnections = MOST_CONNECTIONS;
    server.on('error', () => undefined);
    server.on('connection', (connection) => {
      const from = connection.remoteAddress ?? '';
      let read: Buffer = Buffer.alloc(0);
      this.connections.add(connection);
      connection.unref();
      connection.setTimeout(IDLE_MILLIS, () => connection.destroy());
      connection.on('error', () => undefined);
      connection.once('close', () => this.connections.delete(connection));
      connection.on('data', (chunk) => {
        read = Buffer.concat([read, chunk]);
        while (read.length >= LENGTH_BYTES) {
          const end = LENGTH_BYTES + read.readUInt16BE();
          if (end > LONGEST_QUESTION) return void connection.destroy();
          if (read.length < end) return;
          const answer = this.answer(read.subarray(LENGTH_BYTES, end), from, 'tcp');
          read = read.subarray(end);
          if (!answer) return void connection.destroy();
          const length = Buffer.alloc(LENGTH_BYTES);
          length.writeUInt16BE(answer.length);
          connection.write(Buffer.concat([length, answer]));
        }
      });
    });
  }
}
