import { type ChildProcess, spawn } from 'node:child_process';
import { Socket as UdpSocket } from 'node:dgram';
import { Server } from 'node:net';
import { SluiceError } from '../../domain/errors';

export interface NameSockets {
  readonly udp: readonly UdpSocket[];
  readonly tcp: readonly Server[];
}

const WAIT_MILLIS = 10_000;

/**
 * Runs in a namespace of its own, where it opens what it is told and hands it over. A socket keeps its namespace: that is
 * gone with the last of them, and so with the agent, however that ends.
 */
const OPENER = `
const { createSocket } = require('node:dgram');
const { createServer } = require('node:net');
const { writeFileSync } = require('node:fs');
for (const family of ['ipv4', 'ipv6'])
  try { writeFileSync('/proc/sys/net/' + family + '/conf/all/forwarding', '0'); } catch {}
const hand = (kind, handle) => new Promise((done) => process.send(kind, handle, done));
async function open(address) {
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  await new Promise((done) => udp.bind({ address, port: 53, exclusive: true }, done));
  const tcp = createServer();
  await new Promise((done) => tcp.listen({ host: address, port: 53, exclusive: true }, done));
  await hand('udp', udp);
  await hand('tcp', tcp);
}
process.once('disconnect', () => process.exit(0));
process.once('message', async (addresses) => {
  for (const address of addresses) await open(address);
  process.send('all');
});
process.send('begun');
`;

/**
 * Opens port 53 at each address in a new network namespace.
 * @param furnish puts there what has the addresses; is given a process in it
 * @throws SluiceError `driver-failed`
 */
export async function openNameSockets(
  addresses: readonly string[],
  furnish: (pid: number) => Promise<void>,
): Promise<NameSockets> {
  const child = spawn('unshare', ['--net', '--', process.execPath, '-e', OPENER], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { PATH: process.env.PATH },
  });
  const open: { udp: UdpSocket[]; tcp: Server[] } = { udp: [], tcp: [] };
  try {
    await handedOver(child, addresses, furnish, open);
    return open;
  } catch (error) {
    closeSockets(open);
    throw error;
  } finally {
    if (child.connected) child.disconnect();
    child.kill('SIGKILL');
  }
}

export function closeSockets({ udp, tcp }: NameSockets): void {
  for (const socket of [...udp, ...tcp]) socket.close();
}

function handedOver(
  child: ChildProcess,
  addresses: readonly string[],
  furnish: (pid: number) => Promise<void>,
  open: { udp: UdpSocket[]; tcp: Server[] },
): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    let gaveUp = false;
    const giveUp = (error: unknown) => {
      gaveUp = true;
      reject(error);
    };
    const fail = (why: string) =>
      giveUp(new SluiceError('driver-failed', `Nothing can answer for names on a network: ${why}`));
    const late = setTimeout(() => fail('it takes too long.'), WAIT_MILLIS);
    child.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    child.on('error', (error) => fail(error.message));
    child.once('exit', (code) => {
      clearTimeout(late);
      fail(said.split('\n').find((line) => line.includes('Error')) ?? `its opener ended with ${code}.`);
    });
    child.on('message', (message, handle: unknown) => {
      // One that comes too late would keep the namespace, and its address, with nobody to answer there.
      if (gaveUp && (handle instanceof UdpSocket || handle instanceof Server)) handle.close();
      else if (handle instanceof UdpSocket) open.udp.push(handle);
      else if (handle instanceof Server) open.tcp.push(handle);
      else if (message === 'all') {
        clearTimeout(late);
        resolve();
      } else if (message === 'begun') furnish(child.pid ?? 0).then(() => child.send([...addresses]), giveUp);
    });
  });
}
