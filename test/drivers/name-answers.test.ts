import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import * as dns from 'dns-packet';
import fc from 'fast-check';
import type { Found } from '../../domain/network/name-tables';
import { answerTo } from '../../drivers/network/name-answers';
import { NameServer } from '../../drivers/network/name-server';

const known: Record<string, Found> = {
  'app-0.shop': ['10.0.0.2', 'fd00::2'],
  'app.shop': Array.from({ length: 40 }, (_, i) => `10.0.0.${i + 2}`),
  'db.shop': 'elsewhere',
};
const lookUp = (name: string): Found => known[name] ?? 'unknown';

const question = (name: string, type: dns.RecordType, more: Partial<dns.Packet> = {}): Buffer =>
  dns.encode({ type: 'query', id: 7, questions: [{ name, type, class: 'IN' }], ...more });
const asked = (message: Buffer, over: 'udp' | 'tcp' = 'udp', turn = 0) => {
  const answer = answerTo(message, { over, turn, lookUp });
  if (!answer) return undefined;
  const { rcode, flag_tc: cut, answers = [], id, questions, flag_aa: own } = dns.decode(answer) as Decoded;
  const data = answers.map((a) => ('data' in a ? a.data : ''));
  return { rcode, cut, data, id, questions, own };
};
type Decoded = dns.DecodedPacket & { readonly rcode: string };

describe('answers to questions of DNS', () => {
  it.each<[string, dns.RecordType, string, unknown[]]>([
    ['app-0.shop', 'A', 'NOERROR', ['10.0.0.2']],
    ['app-0.shop', 'AAAA', 'NOERROR', ['fd00::2']],
    ['app-0.shop', 'MX', 'NOERROR', []],
    ['app-1.shop', 'A', 'NXDOMAIN', []],
    ['.', 'A', 'NXDOMAIN', []],
    // Another resolver may know.
    ['db.shop', 'A', 'REFUSED', []],
    // Not a plain name.
    ['app 0.shop', 'A', 'FORMERR', []],
  ])('%s %s: %s', (name, type, rcode, data) => {
    expect(asked(question(name, type))).toMatchObject({ id: 7, own: true, rcode, data });
  });

  it('are none to what is no question', () => {
    expect(
      asked(dns.encode({ type: 'response', id: 7, questions: [{ name: 'a', type: 'A' }] })),
    ).toBeUndefined();
    expect(asked(Buffer.from('GET / HTTP/1.1'))).toBeUndefined();
    const update = question('app-0.shop', 'A', { flags: 5 << 11 });
    expect(asked(update)?.rcode).toBe('NOTIMP');
  });

  it('begin with another address each time, and are cut where they are too long for UDP', () => {
    const small = asked(question('app.shop', 'A'));
    expect(small).toMatchObject({ cut: true, data: [] });
    const whole = asked(question('app.shop', 'A'), 'tcp', 41);
    expect([whole?.cut, whole?.data.length, whole?.data[0]]).toEqual([false, 40, '10.0.0.3']);
    const opt = {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 1_232,
      flags: 0,
      options: [],
    } as unknown as dns.OptAnswer;
    expect(asked(question('app.shop', 'A', { additionals: [opt] }))?.data).toHaveLength(40);
  });

  it('whatever is sent, they fit and nothing breaks', () => {
    const noise = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
    const broken = fc
      .tuple(
        fc.constantFrom('app-0.shop', 'app.shop', 'é.shop', 'x'.repeat(63)),
        fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 3 }),
      )
      .map(([name, changes]) => {
        const message = question(name, 'A');
        for (const [at, byte] of changes) if (at < message.length) message[at] = byte;
        return message;
      });
    fc.assert(
      fc.property(fc.oneof(noise, broken), (message) => {
        const answer = answerTo(message, { over: 'udp', turn: 0, lookUp });
        if (!answer) return;
        expect(answer.length).toBeLessThanOrEqual(1_232);
        expect(answer.readUInt16BE()).toBe(message.readUInt16BE());
        expect(dns.decode(answer).type).toBe('response');
      }),
      { numRuns: 300 },
    );
  });

  it('come by UDP and TCP, to several questions in one connection', async () => {
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    const tcp = createServer().listen(0, '127.0.0.1');
    await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
    const server = new NameServer({ udp: [udp], tcp: [tcp] }, (from, name) =>
      from === '127.0.0.1' ? lookUp(name) : 'unknown',
    );
    const asking = createSocket('udp4');
    asking.send(question('app-0.shop', 'A'), udp.address().port, '127.0.0.1');
    const [message] = (await once(asking, 'message')) as [Buffer];
    const connection = connect((tcp.address() as AddressInfo).port, '127.0.0.1');
    const framed = dns.streamEncode({ type: 'query', id: 8, questions: [{ name: 'app.shop', type: 'A' }] });
    const both = Buffer.concat([framed, framed]);
    connection.write(both.subarray(0, 5));
    connection.write(both.subarray(5));
    let read = Buffer.alloc(0);
    for await (const chunk of connection) {
      read = Buffer.concat([read, chunk as Buffer]);
      if (read.length >= 2 * (2 + read.readUInt16BE())) break;
    }
    asking.close();
    server.close();
    expect(dns.decode(message).answers).toMatchObject([{ data: '10.0.0.2' }]);
    expect(dns.streamDecode(read).answers).toHaveLength(40);
  });
});
