import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger } from '../../process/log';
import { nameSource } from '../../worker/name-source';

describe('where hosts learn names', () => {
  const asked: (string | undefined)[] = [];
  let answer: (response: ServerResponse) => void;
  let server: Server;
  let url: string;
  const log = createLogger('test');
  log.level = 'silent';

  beforeAll(async () => {
    server = createServer((request: IncomingMessage, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      answer(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  beforeEach(() => asked.splice(0));

  const network = { networkId: 'net-1', vni: 7, names: [] };

  it('is the API, asked once for all hosts of an agent', async () => {
    answer = (response) =>
      response.end(JSON.stringify({ networks: [{ ...network, ipv4: '10.0.0.0/24' }, network] }));
    const source = nameSource(url, () => 'own', log);
    const [first, second] = await Promise.all([source.read(), source.read()]);
    // One of which an earlier release does not say where it is can't be answered on.
    expect(first).toEqual([{ ...network, ipv4: '10.0.0.0/24' }]);
    expect(second).toBe(first);
    expect(asked).toEqual(['GET /v1/agents/names Bearer own']);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['of a release that knows no names', (response) => response.writeHead(404).end('{}')],
    ['that breaks off', (response) => response.destroy()],
    ['that says something else', (response) => response.end('[]')],
  ])('says nothing where the API is one %s', async (_, how) => {
    answer = how;
    expect(await nameSource(url, () => 'own', log).read()).toBeUndefined();
    expect(asked).toHaveLength(1);
  });

  it('asks nobody before the agent has joined', async () => {
    expect(await nameSource(url, () => '', log).read()).toBeUndefined();
    expect(asked).toEqual([]);
  });
});
