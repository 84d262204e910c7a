import { once } from 'node:events';
import { connect, type Server, type Socket } from 'node:net';
import type { HostId, SiteId } from '../../domain/ids';
import { kit } from '../../drivers/kit';
import type { HostIdentity } from '../../drivers/lib/host-identity';
import { makeAuthority } from '../../process/certificates';
import { certifiedHosts, HOME } from '../support/certified';

// As drivers of one's own have them, too.
const { dialTransfer, listenForTransfer } = kit;
const id = (name: string) => name as HostId;

describe('a transfer between two hosts', () => {
  let servers: Server[];
  let refused: number;
  let a: HostIdentity;
  let b: HostIdentity;
  let c: HostIdentity;

  beforeAll(async () => {
    ({ a, b, c } = await certifiedHosts(['a', 'b', 'c']));
  });
  beforeEach(() => {
    servers = [];
    refused = 0;
  });
  afterEach(() => {
    for (const server of servers) server.close();
  });

  /** Gives back what it is sent, once the other side has ended. */
  const echo = (socket: Socket) => {
    const chunks: Buffer[] = [];
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => socket.end(Buffer.concat(chunks)));
  };
  const awaited = async (identity: HostIdentity | undefined, from?: HostId) => {
    const { server, offer } = await listenForTransfer('127.0.0.1', { identity, from }, echo, (socket) => {
      refused++;
      socket.destroy();
    });
    servers.push(server);
    return { ...offer, token: 't' };
  };
  /** @returns what came back; nothing where the other side left. */
  const said = async (socket: Socket, what: Buffer): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.end(what);
    await once(socket, 'close').catch(() => undefined);
    return Buffer.concat(chunks);
  };
  const bytes = Buffer.alloc(3_000_000, 'what a machine has in its memory');

  it('is whole, each side ends by itself, and nothing of it can be read on the way', async () => {
    const offer = await awaited(b, id('a'));
    expect(offer.secured).toEqual({ hostId: 'b' });
    const socket = await dialTransfer(offer, a, id('b'));
    expect((socket as unknown as { getProtocol(): string }).getProtocol()).toBe('TLSv1.3');
    expect((await said(socket, bytes)).equals(bytes)).toBe(true);
  });

  it('is with the host that it is for: another of the site is sent nothing', async () => {
    const offer = await awaited(b, id('a'));
    await expect(dialTransfer(offer, a, id('c'))).rejects.toMatchObject({ code: 'driver-failed' });
    // Nobody said which; then it is the one that the offer names.
    await expect(dialTransfer({ ...offer, secured: { hostId: id('c') } }, a, undefined)).rejects.toThrow();
    expect((await said(await dialTransfer(offer, a, undefined), bytes)).length).toBe(bytes.length);
  });

  it('is from the host that it comes from: another of the site is not listened to', async () => {
    const offer = await awaited(b, id('a'));
    expect((await said(await dialTransfer(offer, c, id('b')), bytes)).length).toBe(0);
    const anybody = await awaited(b);
    expect((await said(await dialTransfer(anybody, c, id('b')), bytes)).length).toBe(bytes.length);
  });

  it.each([
    ['with another authority', HOME, 'other'],
    ['of another site, by the same authority', 'away' as SiteId, 'same'],
  ])('is not with one %s', async (_, siteId, which) => {
    const authority = await makeAuthority(HOME, 1, Date.now());
    const { b } = await certifiedHosts(['b'], { authority });
    const stranger = await certifiedHosts(['a', 'b'], which === 'same' ? { siteId, authority } : { siteId });
    for (const from of [id('a'), undefined]) {
      const offer = await awaited(b, from);
      const socket = await dialTransfer(offer, { ...stranger.a, siteId: HOME }, id('b')).catch(
        () => undefined,
      );
      expect(socket ? (await said(socket, bytes)).length : 0).toBe(0);
    }
    const wrong = await awaited(stranger.b, id('a'));
    const { a } = await certifiedHosts(['a'], { authority });
    await expect(dialTransfer(wrong, a, id('b'))).rejects.toMatchObject({ code: 'driver-failed' });
  });

  it('is refused where one side has no certificate, and says what would help', async () => {
    const none: HostIdentity = { ...a, credentials: () => undefined };
    const why = /SLUICE_TRANSFER_PLAIN/;
    await expect(awaited(none)).rejects.toMatchObject({
      code: 'driver-failed',
      message: expect.stringMatching(why),
    });
    await expect(dialTransfer(await awaited(b), none, id('b'))).rejects.toThrow(why);
    // From, and to, an agent of an earlier release.
    await expect(dialTransfer(await awaited(undefined), a, id('b'))).rejects.toMatchObject({
      code: 'driver-refused',
      message: expect.stringMatching(why),
    });
    const { address } = await awaited(b, id('a'));
    expect(await said(connect(Number(address.split(':')[1])), bytes).then((back) => back.length)).toBe(0);
    expect(refused).toBe(1);
  });

  it('is readable with an earlier release where the operator permits it, and encrypted with any other', async () => {
    const old: HostIdentity | undefined = undefined;
    const permitting = (identity: HostIdentity) => ({ ...identity, plainPermitted: true });
    const offers = [
      [await awaited(old), permitting(a)],
      [{ ...(await awaited(permitting(b), id('a'))), secured: undefined }, old],
      [await awaited({ ...permitting(b), credentials: () => undefined }), permitting(a)],
      [await awaited(permitting(b), id('a')), permitting(a)],
    ] as const;
    for (const [{ secured, ...offer }, identity] of offers) {
      const socket = await dialTransfer({ ...offer, ...(secured ? { secured } : {}) }, identity, undefined);
      expect((await said(socket, bytes)).length).toBe(bytes.length);
    }
  });
});
