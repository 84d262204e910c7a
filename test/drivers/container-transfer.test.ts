import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostId } from '../../domain/ids';
import { createContainerDriver } from '../../drivers/container/driver';
import { Meter } from '../../drivers/container/meter';
import { containerObstacle } from '../../drivers/container/runtime';
import { DiskReceiver, sendDisk } from '../../drivers/container/transfer';
import type { Driver, TransferProgress, VeeSpec } from '../../drivers/contract';
import { specFor } from '../support/specs';

/** More than sockets and pipes keep: whoever sends it has to wait for the other side. */
const LARGE_BYTES = 24_000_000;

/** Processes of tar that were begun here, for a folder below that one. */
const tars = (below: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return readlinkSync(`/proc/${pid}/exe`).endsWith('/tar') && command.includes(below);
    } catch {
      return false;
    }
  });

describe('the way of a container’s disk', () => {
  let folder: string;
  let from: string;
  let receivers: DiskReceiver[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-disk-'));
    from = join(folder, 'from');
    await mkdir(from);
    await writeFile(join(from, 'large'), randomBytes(LARGE_BYTES));
  });
  beforeEach(() => {
    receivers = [];
  });
  afterEach(async () => {
    for (const receiver of receivers) await receiver.close();
    expect(tars(folder)).toEqual([]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const awaited = async (name: string) => {
    const receiver = new DiskReceiver(join(folder, name));
    receivers.push(receiver);
    const offer = await receiver.listen('127.0.0.1', { identity: undefined, from: undefined });
    return { receiver, offer, into: join(folder, name) };
  };

  it('is whole, no faster than allowed, and tells how far it is', async () => {
    const { offer, into } = await awaited('whole');
    const told: TransferProgress[] = [];
    const began = performance.now();
    await sendDisk(from, offer, undefined, { bandwidthKbps: 160_000, onProgress: (p) => told.push(p) });
    // 24 MB at 20 MB/s; what was held back for it may be made up for in a tenth of a second.
    expect(performance.now() - began).toBeGreaterThan(1_050);
    expect((await stat(join(into, 'large'))).size).toBe(LARGE_BYTES);
    expect(told.length).toBeGreaterThanOrEqual(2);
    for (const { sentBytes, remainingBytes } of told)
      expect(Math.abs(sentBytes + remainingBytes - LARGE_BYTES)).toBeLessThan(100_000);
    expect(told.at(-1)?.bytesPerSecond).toBeLessThan(24e6);
    expect(told.at(-1)?.sentBytes).toBeGreaterThan(told[0]?.sentBytes ?? 0);
  });

  it('ends at once when it is cancelled, also while the other side takes nothing', async () => {
    const deaf = createServer((socket) => void socket.pause());
    await new Promise<void>((resolve) => void deaf.listen(0, '127.0.0.1', resolve));
    const socket = once(deaf, 'connection') as Promise<[Socket]>;
    const cancel = new AbortController();
    const { port } = deaf.address() as AddressInfo;
    const offer = { address: `127.0.0.1:${port}`, token: 't'.repeat(32) };
    const sent = sendDisk(from, offer, undefined, { cancelled: cancel.signal });
    sent.catch(() => undefined);
    const [other] = await socket;
    await delay(200);
    expect(tars(folder)).toHaveLength(1);
    cancel.abort();
    await expect(sent).rejects.toMatchObject({ message: 'The migration was cancelled.' });
    other.destroy();
    deaf.close();
  });

  it('fails when the other side leaves in the middle', async () => {
    const rude = createServer((socket) => void setTimeout(() => socket.resetAndDestroy(), 100));
    await new Promise<void>((resolve) => void rude.listen(0, '127.0.0.1', resolve));
    const { port } = rude.address() as AddressInfo;
    const offer = { address: `127.0.0.1:${port}`, token: 't'.repeat(32) };
    await expect(sendDisk(from, offer, undefined, {})).rejects.toMatchObject({ code: 'driver-failed' });
    rude.close();
  });

  it('leaves nothing behind where a source is gone in the middle, or that is closed', async () => {
    for (const close of [false, true]) {
      const { receiver, offer, into } = await awaited(`broken-${close}`);
      const [host, port] = offer.address.split(':');
      const socket = connect(Number(port), host);
      socket.on('error', () => undefined);
      // A header of a file of 8 MB, and a part of it.
      const header = Buffer.alloc(512);
      header.write('half');
      header.write('0000644\0', 100);
      header.write('00036400000\0', 124);
      header.write('ustar\x0000', 257);
      header.fill(' ', 148, 156);
      const sum = header.reduce((all, byte) => all + byte, 0);
      header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
      socket.write(Buffer.concat([Buffer.from(offer.token), header, Buffer.alloc(100_000)]));
      for (let i = 0; i < 100 && tars(into).length === 0; i++) await delay(20);
      expect(tars(into)).toHaveLength(1);
      if (close) await receiver.close();
      else socket.resetAndDestroy();
      const left = async () => (await readdir(folder)).filter((name) => name.startsWith('broken'));
      for (let i = 0; i < 100 && !close && (await left()).length > 0; i++) await delay(20);
      expect([await left(), tars(into)]).toEqual([[], []]);
      socket.destroy();
    }
  });

  it('is what a later attempt has sent', async () => {
    const { offer, into } = await awaited('again');
    const slow = sendDisk(from, offer, undefined, { bandwidthKbps: 8_000 });
    slow.catch(() => undefined);
    await delay(200);
    await sendDisk(from, offer, undefined, {});
    await expect(slow).rejects.toMatchObject({ code: 'driver-failed' });
    expect(readFileSync(join(into, 'large')).equals(readFileSync(join(from, 'large')))).toBe(true);
  });

  it('is measured as it passes: what was not used for long is not made up for', async () => {
    const meter = new Meter(8_000);
    const passed: number[] = [];
    meter.on('data', () => passed.push(performance.now()));
    await delay(300);
    const began = performance.now();
    for (let i = 0; i < 4; i++) meter.write(Buffer.alloc(100_000));
    meter.end();
    await once(meter, 'end');
    expect((passed.at(-1) ?? 0) - began).toBeGreaterThan(290);
    expect(meter.passedBytes).toBe(400_000);
  });

  const [runs, why] = containerObstacle() ? [it.skip, ' (no runtime)'] : [it, ''];
  describe(`of a real one${why}`, () => {
    let here: Driver;
    let there: Driver;
    const vee: VeeSpec = specFor(`vee-disk-${process.pid}`, {
      command: ['/bin/sh', '-c', 'head -c 24000000 /dev/urandom > /data/large; touch /data/all; sleep 60'],
      readiness: {
        kind: 'exec',
        ...{ command: ['/bin/test', '-e', '/data/all'], periodMillis: 50, timeoutMillis: 5_000 },
      },
      stopGraceMillis: 0,
    });
    const create = (name: string) =>
      createContainerDriver({ hostId: name as HostId, dataDir: join(folder, name) });

    runs('runs on where it was, soon after it is cancelled from either side', async () => {
      [here, there] = [await create('here'), await create('there')];
      await here.define(vee);
      await here.start(vee);
      for (let i = 0; i < 100 && !(await here.inspect(vee.veeId))?.ready; i++) await delay(50);
      for (const [epoch, side] of [[2, 'source'] as const, [3, 'target'] as const]) {
        const target = { ...vee, epoch };
        const offer = await there.prepareTarget(target);
        const sent = here.send(vee, offer, { bandwidthKbps: 8_000 });
        sent.catch(() => undefined);
        for (let i = 0; i < 100 && tars(folder).length < 2; i++) await delay(20);
        const began = performance.now();
        if (side === 'target') await there.cancel(target, 'target');
        await here.cancel(vee, 'source');
        await expect(sent).rejects.toMatchObject({ code: 'driver-failed' });
        await there.cancel(target, 'target');
        expect(performance.now() - began).toBeLessThan(3_000);
        expect(await here.inspect(vee.veeId, false)).toMatchObject({ state: 'ACTIVE' });
        expect([await there.list(), await readdir(join(folder, 'there', 'vees'))]).toEqual([[], []]);
      }
      await here.destroy({ ...vee, epoch: 99 });
      for (const driver of [here, there]) await driver.close();
    });
  });
});
