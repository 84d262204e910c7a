import fc from 'fast-check';
import { referencesIn, replaceReferences } from '../../domain/context/references';
import { type KnownAddress, resolveContext } from '../../domain/context/resolve';
import { templateOf } from '../../domain/manifest/components';
import { checkManifest } from '../../domain/manifest/parse';
import { templateChanges } from '../../domain/service/recompose-reasons';
import { manifestOf } from '../support/manifests';

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

  it('is refused with an address until there is one to be had', () => {
    expect(refusal({ environment: { DB: '${component.db.address}' } })).toMatch(
      /^manifest-not-executed \/components\/0\/environment\/DB/,
    );
    expect(refusal({ environment: { DB: '$${component.db.address} ${HOME}' } })).toBeUndefined();
  });
});
