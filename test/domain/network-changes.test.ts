import { requireNetworks } from '../../api/known-networks';
import { SluiceError } from '../../domain/errors';
import type { AgentId, HostId, NetworkId, SiteId } from '../../domain/ids';
import { checkManifest } from '../../domain/manifest/parse';
import type { Manifest } from '../../domain/manifest/schema';
import { addBlocks, type Block, claimedBlocks } from '../../domain/network/blocks';
import { isClosing, networkIdOf, type ServiceNetwork } from '../../domain/network/model';
import { needsOn } from '../../domain/network/needs';
import { partOfPool, usualShare } from '../../domain/network/pool';
import { readSubnet, subnetOf } from '../../domain/network/subnet';
import { recompose } from '../../domain/service/recompose';
import type { ServiceRecord } from '../../domain/service/service';
import { type HostJoin, saidOfNetworks } from '../../store/hosts';
import { hostRecord } from '../support/drift-states';
import { hostNamed, membersOf, serviceId, tenantId } from '../support/recompose';

const capacity = { cpuMillis: 100, memoryMiB: 64 };
const component = (name: string, more: Record<string, unknown> = {}) => ({
  ...{ name, image: 'busybox', capacity, networks: ['lan'] },
  ...more,
});
const manifest = (components: unknown[], more: Record<string, unknown> = {}): Manifest =>
  checkManifest({
    ...{ apiVersion: 'sluice/v1', kind: 'Service', name: 'shop', components, networks: [{ name: 'lan' }] },
    ...more,
  });

describe('blocks of a network whose components change', () => {
  const kept: Block[] = [{ component: 'app', from: 16, to: 32 }];

  it('are enough for who comes, though others may become more than theirs', () => {
    const needs = [
      { component: 'app', most: 300 },
      { component: 'db', most: 4 },
      { component: 'huge', most: 500 },
    ];
    expect(addBlocks(255, kept, needs, new Set(['db']))).toEqual({
      kind: 'laid-out',
      blocks: [...kept, { component: 'db', from: 32, to: 48 }],
    });
    expect(addBlocks(255, kept, needs, new Set(['app']))).toEqual({ kind: 'laid-out', blocks: kept });
    expect(addBlocks(255, kept, needs, new Set(['huge']))).toMatchObject({
      ...{ kind: 'too-small', component: 'huge', need: 500 },
    });
  });

  it('are free again when nobody has a claim to them', () => {
    expect(claimedBlocks(kept, new Set(['db']))).toEqual([]);
    expect(claimedBlocks(kept, new Set(['app']))).toEqual(kept);
  });

  it('are for twice as many as there are at most, whatever the surge', () => {
    const update = { maxSurge: 1_000, maxUnavailable: 0 };
    const app = component('app', { instances: { min: 1, max: 3 } });
    expect(needsOn(manifest([app], { update }), { name: 'lan' })).toEqual([{ component: 'app', most: 6 }]);
    expect(needsOn(manifest([app]), { name: 'lan' })).toEqual([{ component: 'app', most: 4 }]);
  });
});

describe('what is taken of the pool', () => {
  it('is apart from what is reached otherwise', () => {
    const avoid = [subnetOf('10.128.0.0/23', 'ipv4'), subnetOf('fd00::/64', 'ipv6')];
    expect(partOfPool('10.128.0.0/9', new Set(), [], avoid)?.ipv4).toBe('10.128.2.0/24');
    expect(partOfPool('10.128.0.0/23', new Set(), [], avoid)).toBeUndefined();
  });

  it('is a quarter for one tenant, but not so little that a small site is divided', () => {
    expect(['10.128.0.0/9', '10.1.0.0/16', '10.1.0.0/20'].map(usualShare)).toEqual([8_192, 64, 16]);
  });
});

describe('a subnet for VEEs', () => {
  it.each([
    ...['169.0.0.0/8', '100.64.0.0/16', '0.0.0.0/8', '198.18.0.0/16', '224.0.0.0/8', '255.255.255.0/24'],
    ...['::ffff:0:0/96', '64:ff9b::/96', '2002::/48', 'fe00::/48', 'ff02::/64', '2001:db8::/48', '::/48'],
  ])('is not %s, which is for other uses', (cidr) => {
    expect(readSubnet(cidr, cidr.includes(':') ? 'ipv6' : 'ipv4')).toContain('is for other uses');
  });

  it.each(['10.0.0.0/8', '172.16.0.0/12', '193.5.4.0/24', 'fd12:3456:789a::/48', '2a02:168:1::/64'])(
    'may be %s',
    (cidr) => expect(readSubnet(cidr, cidr.includes(':') ? 'ipv6' : 'ipv4')).toBeInstanceOf(Object),
  );

  it('stays readable where an earlier release has let it in', () => {
    expect(subnetOf('100.64.0.0/24', 'ipv4').prefixLength).toBe(24);
  });
});

describe('components whose instances are called alike', () => {
  const both = (name: string, more: Record<string, unknown> = {}) => [
    component('app'),
    component(name, more),
  ];

  it('are on no network together', () => {
    expect(() => manifest(both('app-0'))).toThrow('/components/1/name');
    expect(() => manifest(both('app-12'))).toThrow('network-names-apart');
    for (const name of ['app-01', 'app-b', 'app-0-b', 'ap-0'])
      expect(() => manifest(both(name))).not.toThrow();
    const networks = [{ name: 'lan' }, { name: 'wan' }];
    expect(() =>
      checkManifest({
        ...manifest(both('app-x')),
        networks,
        components: both('app-0', { networks: ['wan'] }),
      }),
    ).not.toThrow();
  });
});

describe('a component that comes onto a network, or leaves it', () => {
  const db = component('db', { ports: [{ name: 'sql', port: 5432, from: ['app'] }] });
  const networks = [{ name: 'lan' }, { name: 'wan' }];
  const apart = manifest([db, component('app', { networks: ['wan'] })], { networks });
  const together = manifest([db, component('app', { networks: ['wan', 'lan'] })], { networks });
  const verbs = (current: Manifest, wanted: Manifest, older = false) => {
    const members = membersOf(current, 'db/0@h1', 'app/0@h1').map((v) => ({
      ...v,
      template: older
        ? { ...v.template, ...(v.template.ports ? { ports: v.template.ports.map(withoutSources) } : {}) }
        : v.template,
    }));
    const plan = recompose({
      ...{ serviceId, current, wanted, members, hosts: [hostNamed('h1')], at: 0 },
      instances: { db: 1, app: 1 },
    });
    if (plan.kind === 'blocked') throw new Error('blocked');
    return Object.fromEntries(
      plan.members.map((m) => [m.component, [m.verb, ...m.reasons.map((r) => r.reason)]]),
    );
  };
  const withoutSources = ({ sources: _, ...port }: { readonly sources?: readonly string[] }) => port as never;

  it('is let in and shut out by those whose ports name it, which are made anew for that', () => {
    const anew = { db: ['replace', 'ports'], app: ['replace', 'networks'] };
    expect(verbs(apart, together)).toEqual(anew);
    expect(verbs(together, apart)).toEqual(anew);
    expect(verbs(together, together)).toEqual({ db: ['no-op'], app: ['no-op'] });
  });

  it('is so for VEEs of earlier releases, too, which stay otherwise', () => {
    expect(verbs(apart, together, true).db).toEqual(['replace', 'ports']);
    expect(verbs(together, together, true)).toEqual({ db: ['no-op'], app: ['no-op'] });
  });
});

describe('a manifest that is applied to a service', () => {
  const grown = (max: number, more: Record<string, unknown>[] = []) =>
    manifest([component('app', { instances: { min: 1, max } }), ...more]);
  const network: ServiceNetwork = {
    ...{ id: networkIdOf(serviceId, { name: 'lan' }), kind: 'service', name: 'lan', vni: 7, mtu: 1_450 },
    ...{ tenantId, serviceId, ipv4: '10.128.0.0/24', createdAt: 0, generation: 1 },
    blocks: [
      { component: 'app', from: 16, to: 32 },
      { component: 'old', from: 128, to: 255 },
    ],
  };
  const refusal = async (wanted: Manifest, current = grown(3), holders = ['app']) => {
    const store = {
      networks: {
        some: async (ids: NetworkId[]) => [network].filter((n) => ids.includes(n.id)),
        siteNetworks: async () => [],
      },
      addresses: { componentsOn: async () => holders },
      services: { manifest: async () => current },
    } as unknown as Parameters<typeof requireNetworks>[0];
    const service = { id: serviceId, manifestDigest: 'now' } as ServiceRecord;
    return requireNetworks(store, wanted, tenantId, service).then(
      () => undefined,
      (e: SluiceError) => (e instanceof SluiceError ? [e.code, e.pointer] : e),
    );
  };

  it('is refused when a block is too small for what it says, but not for what holds already', async () => {
    expect(await refusal(grown(15))).toBeUndefined();
    expect(await refusal(grown(16))).toEqual(['network-full', '/components/0/instances/max']);
    expect(await refusal(grown(30), grown(40))).toBeUndefined();
  });

  it('is refused when a new component finds no room, unless that of a former one is free', async () => {
    const wanted = grown(3, [component('new', { instances: { min: 1, max: 120 } })]);
    expect(await refusal(wanted, grown(3), ['app', 'old'])).toEqual([
      'network-full',
      '/components/1/networks',
    ]);
    expect(await refusal(wanted)).toBeUndefined();
  });

  it('is refused when a subnet overlaps what another of its networks has of the pool', async () => {
    const networks = [{ name: 'lan' }, { name: 'wan', ipv4: '10.128.0.0/16' }];
    const wanted = manifest([component('app', { networks: ['lan', 'wan'] })], { networks });
    expect(await refusal(wanted)).toEqual(['manifest-invalid', '/components/0/networks/1']);
  });
});

describe('a network that is being removed', () => {
  it('is open again when whoever did that must have died', () => {
    const at = 1_000_000;
    const closing = { by: 'op-1', at };
    expect([0, 59_999, 60_000].map((after) => isClosing({ closing }, at + after))).toEqual([
      true,
      true,
      false,
    ]);
    expect([isClosing({ closing: true }, at), isClosing({}, at)]).toEqual([true, false]);
  });
});

describe('a host that joins again', () => {
  const { fingerprint } = hostRecord('h1');
  const speaking = (networks: boolean | undefined): HostJoin['fingerprint'] => {
    const { networks: _, ...capabilities } = fingerprint.capabilities;
    return {
      ...fingerprint,
      capabilities: { ...capabilities, ...(networks === undefined ? {} : { networks }) },
    };
  };
  const join = (networks: boolean | undefined, underlayAddress?: string): HostJoin => ({
    ...{ id: 'h1' as HostId, siteId: 's' as SiteId, agentId: 'agent' as AgentId, zone: 'z', labels: {} },
    fingerprint: speaking(networks),
    ...(underlayAddress ? { underlayAddress } : {}),
  });
  const said = (next: HostJoin, before: HostJoin) => {
    const { fingerprint: f, underlayAddress } = saidOfNetworks(next, before);
    return [f.capabilities.networks, underlayAddress];
  };
  const known = join(true, '192.0.2.1');

  it('is where it was on networks if its agent says nothing of them', () => {
    expect(said(join(undefined), known)).toEqual([true, '192.0.2.1']);
    expect(said(join(true), known)).toEqual([true, undefined]);
    expect(said(join(false), known)).toEqual([false, undefined]);
    expect(said(join(true, '192.0.2.2'), known)).toEqual([true, '192.0.2.2']);
    expect(said(join(undefined), { ...known, agentId: 'other' as AgentId })).toEqual([undefined, undefined]);
    expect(saidOfNetworks(known, undefined)).toBe(known);
  });
});
