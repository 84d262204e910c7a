import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listenOn } from '../../drivers/lib/listen';
import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

const MIB = 1_048_576;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const capacity = { cpuMillis: 100, memoryMiB: 64, diskMiB: 8 };

describe('the registry of images', () => {
  let site: TestSite;
  let sources: string;
  let acme: string;
  let rival: string;
  const disk = randomBytes(2 * MIB + 100);

  beforeAll(async () => {
    sources = await realpath(await mkdtemp(join(tmpdir(), 'sluice-sources-')));
    site = await TestSite.start({
      hosts: 2,
      environment: { SLUICE_IMAGE_SOURCES: sources, SLUICE_IMAGE_PRIVATE_URLS: 'true' },
    });
    await site.post('/v1/tenants', { id: 'rival' });
    const token = async (tenant: string) =>
      (await site.post(`/v1/tenants/${tenant}/tokens`, { name: 'test' })).body.token;
    [acme, rival] = [await token('acme'), await token('rival')];
  });
  afterAll(async () => {
    await site.stop();
    await rm(sources, { recursive: true, force: true });
  });

  async function put(id: string, offset: number, bytes: Buffer, token = acme) {
    const response = await fetch(
      new URL(`/v1/images/${id}/content?offset=${offset}`, site.system.access.apiUrl),
      {
        method: 'PUT',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
        body: bytes,
      },
    );
    return { status: response.status, body: (await response.json()) as Json };
  }
  const register = (body: Json, token = acme) => site.send('POST', '/v1/images', { token, body });
  const make = async (name: string, bytes: Buffer, more: Json = {}) => {
    const { body } = await register({
      name,
      format: 'raw',
      sha256: sha256(bytes),
      sizeBytes: bytes.length,
      ...more,
    });
    return put(body.id, 0, bytes);
  };
  const serviceOf = (name: string, image: string) =>
    manifestOf(name, { components: [{ name: 'app', image, capacity }], topology: {} });
  const apply = (manifest: Json, token = acme) =>
    site.send('POST', '/v1/services', { token, body: manifest });

  it('takes an upload in parts, goes on where it was cut, and gives it back', async () => {
    const made = await register({ name: 'web', format: 'raw', sha256: sha256(disk), sizeBytes: disk.length });
    expect([made.status, made.body.state, made.body.uploadedBytes]).toEqual([201, 'uploading', 0]);
    const { id } = made.body;
    const part = await put(id, 0, disk.subarray(0, MIB + 77));
    expect([part.status, part.body.uploadedBytes]).toEqual([200, MIB]);
    const elsewhere = await put(id, MIB + 77, disk.subarray(MIB + 77));
    expect([elsewhere.body.code, elsewhere.body.uploadedBytes]).toEqual(['conflict', MIB]);
    const again = await register({
      name: 'web',
      format: 'raw',
      sha256: sha256(disk),
      sizeBytes: disk.length,
    });
    expect([again.body.id, again.body.uploadedBytes]).toEqual([id, MIB]);
    const rest = await put(id, MIB, disk.subarray(MIB));
    expect(rest.body).toMatchObject({ state: 'ready', virtualBytes: disk.length, owner: 'acme' });
    const response = await fetch(new URL(`/v1/images/${id}/content`, site.system.access.apiUrl), {
      headers: { authorization: `Bearer ${acme}`, range: `bytes=${MIB - 5}-${MIB + 4}` },
    });
    expect([response.status, response.headers.get('content-range')]).toEqual([
      206,
      `bytes ${MIB - 5}-${MIB + 4}/${disk.length}`,
    ]);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(disk.subarray(MIB - 5, MIB + 5));
  });

  it('refuses what is not what it was said to be, and keeps nothing of it', async () => {
    const other = randomBytes(1_000);
    const lying = await register({ name: 'lie', format: 'raw', sha256: sha256(disk), sizeBytes: 1_000 });
    expect((await put(lying.body.id, 0, other)).body.code).toBe('image-refused');
    expect((await site.get(`/v1/images/${lying.body.id}`, acme)).status).toBe(404);
    const notQcow2 = await make('fake', randomBytes(500), { format: 'qcow2' });
    expect(notQcow2.body).toMatchObject({
      code: 'image-refused',
      detail: expect.stringContaining('no qcow2'),
    });
    const long = await register({ name: 'long', format: 'raw', sha256: sha256(other), sizeBytes: 999 });
    expect((await put(long.body.id, 0, other)).body.code).toBe('request-too-large');
  });

  it('lets another tenant see and use it only when it is shared, and by its owner’s name', async () => {
    const { body } = await site.get('/v1/images', acme);
    const web = body.items.find((i: Json) => i.name === 'web');
    expect((await site.get(`/v1/images/${web.id}`, rival)).status).toBe(404);
    expect((await apply(serviceOf('thief', 'acme/web'), rival)).body.code).toBe('image-unknown');
    await site.send('POST', `/v1/images/${web.id}/share`, { token: acme, body: { tenants: ['rival'] } });
    const seen = (await site.get(`/v1/images/${web.id}`, rival)).body;
    expect([seen.reference, seen.sharedWith]).toEqual([`acme/web@sha256:${web.sha256}`, undefined]);
    for (const verb of ['deprecate', 'unshare'])
      expect(
        (
          await site.send('POST', `/v1/images/${web.id}/${verb}`, {
            token: rival,
            body: verb === 'unshare' ? { tenants: ['rival'] } : undefined,
          })
        ).body.code,
      ).toBe('forbidden');
    const planned = await site.send('POST', '/v1/services?dryRun=true', {
      token: rival,
      body: serviceOf('guest', 'acme/web'),
    });
    expect(planned.body.feasible).toBe(true);
    // Its plain name is still nobody's but a host's.
    const plain = await site.send('POST', '/v1/services?dryRun=true', {
      token: rival,
      body: serviceOf('guest', 'web'),
    });
    expect(plain.body.feasible).toBe(false);
  });

  it('runs VEEs from the version that a name meant when it was admitted, whatever it means later', async () => {
    const started = await site.done(await apply(serviceOf('shop', 'web')));
    const first = `acme/web@sha256:${sha256(disk)}.raw`;
    const images = async () => (await site.vees(started.serviceId)).map((v) => v.image);
    expect(await images()).toEqual([first]);
    const newer = Buffer.concat([disk, Buffer.from('newer')]);
    await make('web', newer);
    const [vee] = await site.vees(started.serviceId);
    await site.done(await site.post(`/v1/vees/${vee.id}/restart`));
    expect(await images()).toEqual([first]);
    // Applied again, the name is looked up again: the difference is an image roll.
    const change = await site.send('PUT', `/v1/services/${started.serviceId}`, {
      token: acme,
      body: serviceOf('shop', 'web'),
    });
    await site.done(change);
    expect(await images()).toEqual([`acme/web@sha256:${sha256(newer)}.raw`]);
    const [agent = ''] = await readdir(join(site.dataDir, 'agents'));
    const blobs = await readdir(join(site.dataDir, 'agents', agent, 'images', 'blobs'));
    expect(blobs).toContain(sha256(newer));
  });

  it('is not removed while something uses it, and says what does', async () => {
    const { items } = (await site.get('/v1/images', acme)).body;
    const [newest, oldest] = items.filter((i: Json) => i.name === 'web');
    const refused = await site.send('DELETE', `/v1/images/${newest.id}`, { token: acme });
    expect(refused.body).toMatchObject({
      code: 'image-in-use',
      usedBy: expect.arrayContaining(['service shop', expect.stringMatching(/^VEE vee-/)]),
    });
    const clone = await site.send('POST', `/v1/images/${oldest.id}/clone`, {
      token: rival,
      body: { name: 'mine' },
    });
    expect(clone.body).toMatchObject({ state: 'ready', owner: 'rival', name: 'mine' });
    expect((await site.send('DELETE', `/v1/images/${oldest.id}`, { token: acme })).status).toBe(204);
    // Whoever has a copy of its own keeps it.
    const response = await fetch(new URL(`/v1/images/${clone.body.id}/content`, site.system.access.apiUrl), {
      headers: { authorization: `Bearer ${rival}` },
    });
    expect(sha256(Buffer.from(await response.arrayBuffer()))).toBe(sha256(disk));
  });

  it('means no deprecated version by a name, and says so', async () => {
    const { items } = (await site.get('/v1/images', acme)).body;
    const web = items.find((i: Json) => i.name === 'web');
    await site.send('POST', `/v1/images/${web.id}/deprecate`, { token: acme });
    const byName = await apply(serviceOf('late', 'web'));
    expect(byName.body).toMatchObject({ code: 'image-unknown', pointer: '/components/0/image' });
    expect(byName.body.detail).toMatch(/deprecated/);
    const byDigest = await site.send('POST', '/v1/services?dryRun=true', {
      ...{ token: acme, body: serviceOf('late', `web@sha256:${web.sha256}`) },
    });
    expect(byDigest.body.feasible).toBe(true);
  });

  it('refuses an instance that is smaller than its image', async () => {
    await make('large', randomBytes(9 * MIB));
    const { body } = await apply(serviceOf('tight', 'large'));
    expect(body).toMatchObject({ code: 'manifest-invalid', pointer: '/components/0/capacity/diskMiB' });
  });

  it('is registered from a path of the API’s machine or an address by operators only', async () => {
    const path = join(sources, 'base.img');
    await writeFile(path, disk);
    const from = { name: 'base', format: 'raw', sha256: sha256(disk), from: { path } };
    expect((await register(from)).body.code).toBe('forbidden');
    expect((await site.post('/v1/images', from)).body).toMatchObject({ state: 'ready', owner: 'site' });
    const server = createServer((req, res) => {
      if (req.url !== '/disk') return res.writeHead(302, { location: '/disk' }).end();
      return res
        .writeHead(200, { 'content-length': disk.length })
        .end(req.method === 'HEAD' ? undefined : disk);
    });
    const url = `http://${await listenOn(server, '127.0.0.1')}`;
    const fetched = (name: string, at: string) =>
      site.post('/v1/images', { ...from, name, from: { url: `${url}${at}` } });
    expect((await fetched('fetched', '/disk')).body).toMatchObject({
      state: 'ready',
      sizeBytes: disk.length,
    });
    expect((await fetched('sent-on', '/elsewhere')).body.pointer).toBe('/from/url');
    server.close();
    const missing = await site.post('/v1/images', { ...from, name: 'none', from: { path: '/nowhere' } });
    expect([missing.status, missing.body.pointer]).toEqual([400, '/from/path']);
    const lying = await site.post('/v1/images', { ...from, name: 'lie', sha256: 'a'.repeat(64) });
    expect(lying.body.code).toBe('image-refused');
    expect(JSON.stringify(lying.body)).not.toContain(sha256(disk));
    // As the owner of what is everybody's, no tenant may be called.
    expect((await site.post('/v1/tenants', { id: 'site' })).body.pointer).toBe('/id');
    expect(await site.violations()).toEqual([]);
  });
});
