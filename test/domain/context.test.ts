import fc from 'fast-check';
import { tellNeighbours } from '../../activities/neighbours';
import { withNeighbours } from '../../domain/context/neighbours';
import { referencesIn, replaceReferences } from '../../domain/context/references';
import { type KnownAddress, resolveContext } from '../../domain/context/resolve';
import type { ServiceId, VeeId } from '../../domain/ids';
import { templateOf } from '../../domain/manifest/components';
import { checkManifest } from '../../domain/manifest/parse';
import type { NetworkAttachment } from '../../domain/network/attachment';
import { constraintsOf } from '../../domain/placement/constraints';
import { templateChanges } from '../../domain/service/recompose-reasons';
import type { VeeRecord } from '../../domain/vee/vee';
import { contextOf } from '../../drivers/lib/vee-context';
import { manifestOf } from '../support/manifests';
import { specFor } from '../support/specs';

const SELF = { name: 'web-2', index: '2', component: 'web', vee: 'vee-7', service: 'svc-1', tenant: 'acme' };
const KNOWN: KnownAddress[] = [
  { component: 'db', index: 1, network: 'back', address: '10.0.0.6' },
  { component: 'db', index: 0, network: 'back', address: '10.0.0.5' },
  { component: 'db', index: 0, network: 'admin', address: '10.9.0.5' },
  { component: 'web', index: 0, network: 'front', address: '10.1.0.4' },
  { component: 'web', index: 2, network: 'front', address: '10.1.0.9' },
];
const told = (VALUE: string) => resolveContext(SELF, { environment: { VALUE } }, KNOWN).environment.VALUE;

describe('what a value names', () => {
  it.each([
    ['${self.name}-${self.index} of ${self.tenant}', 'web-2-2 of acme'],
    ['${component.db.address}:${component.db.addresses}', '10.0.0.5:10.0.0.5,10.0.0.6'],
    ['${component.db.admin.address}', '10.9.0.5'],
    ['${self.address} ${self.front.address}', '10.1.0.9 10.1.0.9'],
    ['$${self.name} $$${self.name}', '${self.name} $${self.name}'],
    ['${HOME} $HOME ${selfish} {self.name} ${self', '${HOME} $HOME ${selfish} {self.name} ${self'],
  ])('%s', (value, text) => {
    expect(told(value)).toBe(text);
  });

  it.each(['${component.cache.address}', '${component.db.front.address}', '${self.back.address}'])(
    '%s is not made up where there is none',
    (value) => {
      expect(() => told(value)).toThrow(expect.objectContaining({ code: 'driver-refused' }));
    },
  );

  it.each([
    'self.',
    'self.x',
    'self.name.x',
    'component.',
    'component.db',
    'component.db.x',
    'self..address',
  ])('${%s} means nothing', (text) => {
    expect(referencesIn(`a \${${text}} b`)).toEqual([{ text }]);
  });

  it('leaves whatever holds no reference as it is, and an escaped one as it would be written', () => {
    const plain = fc.string({ unit: 'binary' }).filter((s) => !/\$\{(self|component)\./.test(s));
    fc.assert(
      fc.property(plain, plain, (a, b) => {
        const nothing = () => 'never';
        expect(replaceReferences(a, nothing)).toBe(a);
        const end = a.replace(/\$+$/, '');
        expect(replaceReferences(`${end}$\${self.name}`, nothing)).toBe(`${end}\${self.name}`);
        expect(replaceReferences(`${end}\${self.name}${b}`, () => 'X')).toBe(`${end}X${b}`);
      }),
    );
  });
});

describe('a manifest that tells its VEEs something', () => {
  const capacity = { cpuMillis: 100, memoryMiB: 64 };
  const withComponent = (fields: object, max = 1) =>
    checkManifest(
      manifestOf('told', {
        topology: {},
        components: [{ name: 'web', image: 'busybox', capacity, instances: { max }, ...fields }],
      }),
    );
  const refusal = (fields: object, max = 1) => {
    try {
      withComponent(fields, max);
      return undefined;
    } catch (error) {
      const { code, errors = [] } = error as {
        code: string;
        errors?: { pointer: string; message: string }[];
      };
      return [code, ...errors.map((e) => `${e.pointer} ${e.message}`)].join(' ');
    }
  };
  const file = (path: string, content = '') => ({ path, content });

  it('has it in what its VEEs are made from, and differs by it', () => {
    const context = {
      userData: '#!/bin/sh\n',
      files: [file('/etc/a', 'x')],
      sshKeys: ['ssh-ed25519 AAAA me'],
    };
    const [manifest, without] = [withComponent(context), withComponent({})];
    const [is, plain] = [manifest, without].map((m) => templateOf(m, m.components[0] as never));
    if (!is || !plain) throw new Error('no templates');
    expect(is.context).toEqual(context);
    expect(plain).not.toHaveProperty('context');
    expect(templateChanges(plain, is)).toEqual([
      { reason: 'context', parts: ['userData', 'files', 'sshKeys'] },
    ]);
    expect(templateChanges(is, { ...is, context: { ...context, userData: 'other' } })).toEqual([
      { reason: 'context', parts: ['userData'] },
    ]);
    expect(templateChanges(is, is)).toEqual([]);
  });

  it.each([
    [{ environment: { A: '${self.nme}' } }, '/components/0/environment/A'],
    [{ userData: '${component.web}' }, '/components/0/userData'],
    [{ files: [file('/etc/a', '${self.x}')] }, '/components/0/files/0/content'],
    [{ files: [file('/etc/a'), file('/etc/a')] }, '/components/0/files/1/path'],
    [{ files: [file('/etc/a'), file('/etc/a/b')] }, '/components/0/files/1/path'],
    [{ files: [file('/etc/hosts'), file('/etc/hosts/x')] }, '/components/0/files/1/path'],
    [{ files: [file('/etc/hostname/x')] }, '/components/0/files/0/path'],
    [{ files: [file('/etc/../a')] }, '/components/0/files/0/path'],
    [{ files: [file('/etc')] }, '/components/0/files/0/path'],
    [{ files: [file('/proc/1')] }, '/components/0/files/0/path'],
    [{ files: [file('/run/sluice/vee.json')] }, '/components/0/files/0/path'],
    [{ files: [file("/etc/'; reboot")] }, '/components/0/files/0/path'],
    [{ sshKeys: ['ssh-ed25519 AAAA me\nssh-rsa BBBB'] }, '/components/0/sshKeys/0'],
    [{ userData: 'é'.repeat(40_000) }, '/components/0 '],
  ])('is refused with %j', (fields, pointer) => {
    expect(refusal(fields)).toMatch(new RegExp(`^manifest-invalid ${pointer}`));
  });

  it('is refused where all its VEEs together are told too much, and not where they are fewer', () => {
    const fields = { userData: 'x'.repeat(60_000) };
    expect(refusal(fields, 70)).toContain('of all VEEs take');
    expect(refusal(fields, 69)).toBeUndefined();
  });

  const networked = (env: Record<string, string>, changes: Record<string, unknown> = {}) => {
    const component = (name: string, networks: string[], more: object = {}) => ({
      ...{ name, image: 'busybox', capacity, networks, ...more },
    });
    return manifestOf('told', {
      networks: [{ name: 'front' }, { name: 'back' }],
      components: [
        component('disk', ['back']),
        component('db', ['back'], { instances: { max: 40 } }),
        component('web', ['front', 'back'], { environment: env, instances: { max: 30 } }),
      ],
      topology: {
        dependencies: [
          { component: 'web', dependsOn: ['db'] },
          { component: 'db', dependsOn: ['disk'] },
        ],
      },
      ...changes,
    });
  };

  it.each([
    ['${component.cache.address}', /no such component/],
    ['${component.web.address}', /"web" does not depend on "web"/],
    ['${component.db.front.address}', /"web" and "db" are not on the network "front" together/],
    ['${component.db.addresses}', /30 times 40 addresses are over 1024/],
    ['${self.side.address}', /"web" is not on the network "side"/],
  ])('is refused where its VEEs could not be told %s', (value, why) => {
    expect(() => checkManifest(networked({ A: value }))).toThrow(
      expect.objectContaining({ code: 'manifest-invalid', pointer: '/components/2/environment/A' }),
    );
    expect(() => checkManifest(networked({ A: value }))).toThrow(why);
  });

  it('is taken where all that is named is on a network of it, before it', () => {
    const all = [
      'component.db.address',
      'component.disk.back.addresses',
      'self.address',
      'self.back.addresses',
    ];
    expect(() => checkManifest(networked({ A: all.map((r) => `\${${r}}`).join(' ') }))).not.toThrow();
    expect(refusal({ environment: { A: '${self.address}' } })).toMatch(/is not on a network/);
    expect(refusal({ environment: { A: '$${component.db.address} ${HOME}' } })).toBeUndefined();
    const command = (word: string) => refusal({ command: ['sh', '-c', word] });
    expect(command('wget http://${self.address}/')).toMatch(
      /\$\{self.address\} is not replaced in a command/,
    );
    expect(command('echo ${HOME}')).toBeUndefined();
  });
});

describe('whom a VEE is to know', () => {
  const template = (value: string) => ({
    ...specFor('v').template,
    context: { files: [{ path: '/etc/a', content: value }] },
  });
  const on = (networkId: string, address: string): NetworkAttachment => ({
    ...{ networkId, name: networkId.slice(4), vni: 1, mac: '02:00:00:00:00:01', mtu: 1_450 },
    addresses: [{ address, prefixLength: 24 }],
  });
  const record = (component: string, index: number, createdAt: number, ...networks: NetworkAttachment[]) =>
    ({ component, index, createdAt, networks }) as unknown as VeeRecord;
  const there = [
    record('db', 1, 1, on('net-back', '10.0.0.6')),
    record('db', 0, 1, on('net-back', '10.0.0.5'), on('net-admin', '10.9.0.5')),
    record('db', 0, 5, on('net-back', '10.0.0.7')),
    record('other', 0, 1, on('net-back', '10.0.0.99')),
  ];
  const asked: unknown[] = [];
  const store = {
    vees: {
      find: async (filter: { component?: string }) => {
        asked.push(filter);
        return there.filter((v) => v.component === filter.component);
      },
    },
  } as never;
  const told = async (value: string) => {
    const made = [{ veeId: 'v' as VeeId, component: 'web', index: 2, template: template(value) }];
    const attached = new Map([['v' as VeeId, [on('net-front', '10.1.0.9'), on('net-back', '10.0.0.9')]]]);
    const networks = (await tellNeighbours(store, 'svc-1' as ServiceId, made, attached)).get('v' as VeeId);
    const spec = { ...specFor('v'), component: 'web', index: 2, template: template(value) };
    return contextOf({ ...spec, networks: networks ?? [] }).files[0]?.content;
  };

  it('is who lives on its networks, the newest of each place', async () => {
    expect(await told('${component.db.address}|${component.db.addresses}|${component.db.back.address}')).toBe(
      '10.0.0.7|10.0.0.7,10.0.0.6|10.0.0.7',
    );
    expect(await told('${self.address} ${self.back.address}')).toBe('10.1.0.9 10.0.0.9');
    await expect(told('${component.db.admin.address}')).rejects.toMatchObject({ code: 'driver-refused' });
    await expect(told('${component.cache.address}')).rejects.toMatchObject({ code: 'driver-refused' });
  });

  it('is asked of nobody where nothing is named', async () => {
    asked.length = 0;
    expect(await told('${self.name} ${self.address}')).toBe('web-2 10.1.0.9');
    expect(asked).toEqual([]);
  });

  it('is who is made with it, before whom it takes the place of', () => {
    const members = [{ component: 'db', index: 0, networks: [on('net-back', '10.0.0.8')] }, ...there];
    const [network] = withNeighbours([on('net-back', '10.0.0.9')], new Map([['db', false]]), members);
    expect(network?.neighbours).toEqual([{ component: 'db', index: 0, address: '10.0.0.8' }]);
  });
});

describe('a host that tells VEEs no more than every host does', () => {
  const capacity = { cpuMillis: 100, memoryMiB: 64 };
  const kinds = (fields: object) => {
    const components = [{ name: 'web', image: 'busybox', capacity, ...fields }];
    const manifest = checkManifest(manifestOf('told', { topology: {}, components }));
    return constraintsOf(manifest, 'svc-1' as ServiceId).map((c) => c.kind === 'capable' && c.capability);
  };

  it.each([
    [{ userData: '#!/bin/sh' }],
    [{ files: [{ path: '/etc/app/app.conf', content: 'x' }] }],
    [{ sshKeys: ['ssh-ed25519 AAAA me@home'] }],
    [{ environment: { NAME: '${self.name}' } }],
  ])('gets none of a component with %j', (fields) => {
    expect(kinds(fields)).toEqual(['context']);
  });

  it('takes any other', () => {
    expect(kinds({ environment: { HOME: '${HOME}', ESCAPED: '$${self.name}' } })).toEqual([]);
  });
});
