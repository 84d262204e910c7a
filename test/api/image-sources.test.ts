import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSource } from '../../api/image-sources';
import { isPublicAddress } from '../../api/public-address';
import { listenOn } from '../../drivers/lib/listen';

const shut = (pointer: string) => expect.objectContaining({ code: 'request-invalid', pointer });
const rules = { folder: undefined, privateAddresses: false };

async function read(content: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe('where images are registered from', () => {
  let folder: string;
  let server: Server;
  let url: string;
  let ended = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-sources-'));
    await mkdir(join(folder, 'open', 'deep'), { recursive: true });
    await writeFile(join(folder, 'open', 'deep', 'disk'), 'content');
    await writeFile(join(folder, 'secret'), 'secret');
    await symlink(join(folder, 'secret'), join(folder, 'open', 'link'));
    await mkdir(join(folder, 'open-too'));
    await writeFile(join(folder, 'open-too', 'disk'), 'secret');
    server = createServer((req, res) => {
      if (req.url === '/moved') return res.writeHead(302, { location: '/disk' }).end();
      res.on('close', () => ended++);
      if (req.url === '/mute') return res;
      res.writeHead(200, { 'content-length': 7 });
      if (req.method === 'HEAD') return res.end();
      return req.url === '/stalls' ? res.write('con') : res.end('content');
    });
    url = `http://${await listenOn(server, '127.0.0.1')}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('are files of no folder, unless the site names one', () =>
    expect(openSource({ path: join(folder, 'open', 'deep', 'disk') }, rules)).rejects.toEqual(
      shut('/from/path'),
    ));

  it('are files below that folder, and none to which a path or a link leads out of it', async () => {
    const open = { ...rules, folder: join(folder, 'open') };
    for (const path of [join(folder, 'open', 'deep', 'disk'), 'deep/disk']) {
      const source = await openSource({ path }, open);
      expect([source.sizeBytes, await read(source.read(3))]).toEqual([7, 'tent']);
    }
    const out = ['secret', 'open/../secret', 'open/link', 'open-too/disk', 'open', 'none'];
    const told = await Promise.all(
      out.map((path) => openSource({ path: join(folder, path) }, open).catch((e) => e)),
    );
    for (const error of told) expect(error).toEqual(shut('/from/path'));
    // Nobody learns what there is elsewhere.
    expect(new Set(told.map((e) => e.message)).size).toBe(1);
  });

  it('are public addresses, by number and by name', async () => {
    for (const at of [
      url,
      url.replace('127.0.0.1', 'localhost'),
      url.replace('127.0.0.1', '[::ffff:127.0.0.1]'),
    ])
      await expect(openSource({ url: `${at}/disk` }, rules)).rejects.toEqual(shut('/from/url'));
    const shutOff = [
      '127.0.0.1',
      '10.1.2.3',
      '172.16.0.1',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
    ];
    const shutOff6 = ['::1', '::', 'fe80::1', 'fd00::1', '::ffff:10.0.0.1', '64:ff9b::a00:1', 'ff02::1', 'x'];
    expect([...shutOff, ...shutOff6].filter(isPublicAddress)).toEqual([]);
    expect(['1.1.1.1', '2606:4700::1111', '::ffff:1.1.1.1'].filter(isPublicAddress)).toHaveLength(3);
  });

  it('may be private addresses where the site permits it; what stalls is given up', async () => {
    const any = { ...rules, privateAddresses: true, stalledMillis: 200 };
    const source = await openSource({ url: `${url}/disk` }, any);
    // It has no ranges: what is there already is skipped.
    expect([source.sizeBytes, await read(source.read(3))]).toEqual([7, 'tent']);
    await expect(openSource({ url: `${url}/moved` }, any)).rejects.toEqual(shut('/from/url'));
    await expect(openSource({ url: `${url}/mute` }, any)).rejects.toEqual(shut('/from/url'));
    const stalls = await openSource({ url: `${url}/stalls` }, any);
    await expect(read(stalls.read(0))).rejects.toEqual(expect.objectContaining({ code: 'unavailable' }));
    expect(ended).toBeGreaterThan(0);
  });
});
