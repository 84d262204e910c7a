import fc from 'fast-check';
import { lookUp, nameTablesOf } from '../../domain/network/name-tables';
import { resolverFile, resolversOf } from '../../domain/network/resolver';

const network = (id: string, names: Record<string, string[]>, several: [string, string[]][] = []) => ({
  ...{ networkId: id, vni: 1, ipv4: '10.0.0.0/24' },
  names: Object.entries(names).map(([name, addresses]) => ({ name, addresses })),
  several: several.map(([address, networks]) => ({ addresses: [address], networks })),
});

describe('names on networks', () => {
  const tables = nameTablesOf([
    network('front', { 'app.shop': ['10.0.0.2'] }, [
      ['10.0.0.2', ['front', 'back']],
      ['10.0.0.3', ['front', 'away']],
    ]),
    network('back', { 'app.shop': ['10.1.0.2'], 'db.shop': ['10.1.0.9'] }),
  ]);

  it.each([
    ['front', '10.0.0.9', 'App.Shop', ['10.0.0.2']],
    ['front', '10.0.0.9', 'db.shop', 'unknown'],
    ['front', '10.0.0.2', 'db.shop', ['10.1.0.9']],
    ['front', '10.0.0.2', 'app.shop', ['10.0.0.2']],
    ['front', '10.0.0.2', 'x.shop', 'unknown'],
    ['front', '10.0.0.3', 'x.shop', 'elsewhere'],
    ['back', '10.0.0.2', 'app.shop', ['10.1.0.2']],
    ['none', '10.0.0.2', 'app.shop', 'unknown'],
  ])('asked on %s from %s, %s is %s', (on, from, name, found) => {
    expect(lookUp(tables, on, from, name)).toEqual(found);
  });

  it('are never found on a network that whoever asks is not on', () => {
    const ids = ['a', 'b', 'c'];
    fc.assert(
      fc.property(fc.constantFrom(...ids), fc.subarray(ids), fc.constantFrom(...ids), (on, others, asked) => {
        const all = nameTablesOf(ids.map((id) => network(id, { [id]: [id] }, [['1', others]])));
        const may = asked === on || others.includes(asked);
        expect(lookUp(all, on, '1', asked)).toEqual(may ? [asked] : 'unknown');
      }),
    );
  });

  it('are asked for at the gateway of each network, of three at most', () => {
    const on = (address: string, prefixLength: number) => ({ addresses: [{ address, prefixLength }] });
    const all = [on('10.1.3.77', 22), on('fd00:1::9', 64), on('10.2.0.5', 29), on('10.3.0.5', 24)];
    expect(resolversOf(all)).toEqual(['10.1.0.1', 'fd00:1::1', '10.2.0.1']);
    expect([resolversOf(undefined), resolverFile(['10.1.0.1'])]).toEqual([
      [],
      'nameserver 10.1.0.1\noptions timeout:1 attempts:4\n',
    ]);
  });
});
