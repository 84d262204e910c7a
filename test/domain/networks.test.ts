import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { SluiceError } from '../../domain/errors';
import type { HostId } from '../../domain/ids';
import { templateOf } from '../../domain/manifest/components';
import { checkManifest, parseManifest } from '../../domain/manifest/parse';
import { type Block, layOutBlocks, lowestFree } from '../../domain/network/blocks';
import { partOfPool } from '../../domain/network/pool';
import {
  addressAt,
  coveringSubnets,
  endOf,
  overlap,
  readSubnet,
  subnetOf,
} from '../../domain/network/subnet';
import { breaches, constraintsOf } from '../../domain/placement/constraints';
import { templateChanges } from '../../domain/service/recompose-reasons';
import { toSnapshotHost } from '../../store/hosts';
import { hostRecord, SERVICE, veeRecord } from '../support/drift-states';

const example = readFileSync(join(__dirname, '..', '..', 'examples', 'networks.yaml'), 'utf8');
const capacity = { cpuMillis: 100, memoryMiB: 64 };
const component = (name: string, more: Record<string, unknown> = {}) => ({
  ...{ name, image: 'busybox', capacity, networks: ['lan'] },
  ...more,
});
const manifest = (networks: unknown, components: unknown[] = [component('app')]) => ({
  ...{ apiVersion: 'sluice/v1', kind: 'Service', name: 'shop', components, networks },
});

/** `pointer: rule`, of all that is wrong. */
function faults(value: unknown): string[] {
  try {
    checkManifest(value);
    return [];
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return (error.errors ?? []).map((f) => `${f.pointer} ${f.message.split(':')[0]}`);
  }
}

describe('a subnet', () => {
  it.each([
    ['10.0.0.0/24', 'ipv4', 1, '10.0.0.1'],
    ['10.0.1.0/23', 'ipv4', 0, 'the subnet is 10.0.0.0/23'],
    ['10.0.0/24', 'ipv4', 0, 'is no IPv4 subnet'],
    ['010.0.0.0/24', 'ipv4', 0, 'is no IPv4 subnet'],
    ['10.0.0.0/30', 'ipv4', 0, 'between /8 and /29'],
    ['127.0.0.0/8', 'ipv4', 0, 'for other uses'],
    ['fd00:1::/64', 'ipv6', 258, 'fd00:1::102'],
    ['fe80::/64', 'ipv6', 0, 'for other uses'],
    ['fd00::/20', 'ipv6', 0, 'between /48 and /120'],
    ['10.0.0.0/24', 'ipv6', 0, 'is no IPv6 subnet'],
  ] as const)('is read from %s (%s)', (text, family, offset, expected) => {
    const subnet = readSubnet(text, family);
    expect(typeof subnet === 'string' ? subnet : addressAt(subnet, offset)).toContain(expected);
  });

  it('is covered from any number to any other by subnets that are apart and no more than that', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }), (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b) + 1];
        const parts = coveringSubnets(subnetOf('10.9.8.0/24', 'ipv4'), from, to).map((text) => {
          const [base = '', prefix = ''] = text.split('/');
          const first = Number(base.split('.').at(-1));
          return Array.from({ length: 2 ** (32 - Number(prefix)) }, (_, i) => first + i);
        });
        expect(parts.flat()).toEqual(Array.from({ length: to - from }, (_, i) => from + i));
        expect(parts.length).toBeLessThanOrEqual(14);
      }),
    );
  });
});

describe('blocks of addresses', () => {
  const needsOf = (counts: readonly number[]) => counts.map((most, i) => ({ component: `c${i}`, most }));
  const apart = (blocks: readonly Block[], end: number) =>
    blocks.every(
      (a, i) =>
        a.from >= 2 && a.to <= end && blocks.slice(i + 1).every((b) => a.to <= b.from || b.to <= a.from),
    );

  it('are apart, large enough, and stay as they were when others come', () => {
    const counts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(counts, counts, fc.integer({ min: 3, max: 9 }), (first, then, bits) => {
        const end = 2 ** bits - 1;
        const fits = first.reduce((n, c) => n + c, 0) <= end - 2;
        const plan = layOutBlocks(end, [], needsOf(first));
        expect(plan.kind).toBe(fits ? 'laid-out' : 'too-small');
        if (plan.kind !== 'laid-out') return;
        expect(apart(plan.blocks, end)).toBe(true);
        expect(plan.blocks.every((b, i) => b.to - b.from >= (first[i] ?? 0))).toBe(true);
        const later = layOutBlocks(end, plan.blocks, [
          ...needsOf(first),
          ...then.map((most, i) => ({ component: `d${i}`, most })),
        ]);
        if (later.kind !== 'laid-out') return;
        expect(later.blocks.slice(0, first.length)).toEqual(plan.blocks);
        expect(apart(later.blocks, end)).toBe(true);
      }),
    );
  });

  it('do not grow: neighbours know them by what they were', () => {
    const kept = [{ component: 'app', from: 16, to: 32 }];
    expect(layOutBlocks(255, kept, [{ component: 'app', most: 17 }])).toEqual({
      ...{ kind: 'grown', component: 'app', need: 17, has: 16 },
    });
  });

  it('give the lowest free', () => {
    expect(lowestFree({ from: 4, to: 9 }, new Set([4, 6]), 2)).toEqual([5, 7]);
    expect(lowestFree({ from: 4, to: 6 }, new Set([4]), 2)).toEqual([5]);
  });
});

describe('the pool', () => {
  it('gives the lowest part of which nothing is taken, and one that is large enough', () => {
    const taken = new Set<number>();
    const given = [10, 10, 400, 10].map((most) => {
      const part = partOfPool('10.128.0.0/9', taken, [{ component: 'app', most }]);
      for (const unit of part?.units ?? []) taken.add(unit);
      return part?.ipv4;
    });
    expect(given).toEqual(['10.128.0.0/24', '10.128.1.0/24', '10.128.8.0/21', '10.128.2.0/24']);
    const all = given.map((g) => subnetOf(`${g}`, 'ipv4'));
    expect(all.some((a, i) => all.slice(i + 1).some((b) => overlap(a, b)))).toBe(false);
    expect(partOfPool('10.1.0.0/24', new Set([(10 << 16) + (1 << 8)]), [])).toBeUndefined();
  });
});

describe('a manifest', () => {
  it('has networks as the example does, and without them stays what it was', () => {
    const m = parseManifest(example);
    const [proxy, app, db] = m.components.map((c) => templateOf(m, c));
    expect(app?.networks).toEqual([
      { name: 'front' },
      { name: 'back', ipv4: '10.20.0.0/24', ipv6: 'fd00:20::/64' },
    ]);
    expect(db?.ports).toEqual([{ protocol: 'tcp', port: 5432, from: ['app'], sources: ['app/0'] }]);
    expect(proxy && db && templateChanges(proxy, { ...proxy, networks: db.networks ?? [] })).toEqual([
      { reason: 'networks' },
    ]);
    const plain = checkManifest(manifest(undefined, [component('app', { networks: undefined })]));
    expect(plain.components.flatMap((c) => Object.keys(templateOf(plain, c)))).not.toContain('networks');
  });

  it.each<[string, unknown, string[]]>([
    ['an unknown network', manifest([{ name: 'wan' }]), ['/components/0/networks/0 networks-exist']],
    [
      'a network twice',
      manifest([{ name: 'lan' }, { name: 'lan' }]),
      ['/networks/1/name network-names-unique'],
    ],
    [
      'an address for a subnet',
      manifest([{ name: 'lan', ipv4: '10.0.0.9/24' }]),
      ['/networks/0/ipv4 subnets-sound'],
    ],
    [
      'a subnet for a network of the site',
      manifest([{ name: 'lan', site: 'dc', ipv4: '10.0.0.0/24' }]),
      ['/networks/0/site subnets-sound'],
    ],
    [
      'overlapping subnets',
      manifest([
        { name: 'lan', ipv4: '10.0.0.0/16' },
        { name: 'b', ipv4: '10.0.3.0/24' },
      ]),
      ['/networks/1/ipv4 subnets-apart'],
    ],
    [
      'too small a subnet',
      manifest([{ name: 'lan', ipv4: '10.0.0.0/29' }], [component('app', { instances: { max: 5 } })]),
      ['/networks/0/ipv4 subnets-large-enough'],
    ],
    [
      'ports without a network',
      manifest(undefined, [component('app', { networks: undefined, ports: [{ name: 'http', port: 80 }] })]),
      ['/components/0/ports ports-consistent'],
    ],
    [
      'ports that clash, are missing or for nobody',
      manifest(
        [{ name: 'lan' }],
        [
          component('app', {
            ports: [
              { name: 'a', port: 80, toPort: 90 },
              { name: 'b', port: 85, from: ['nobody'] },
              { name: 'b', protocol: 'udp' },
              { name: 'c', protocol: 'icmp', port: 7 },
            ],
          }),
        ],
      ),
      [
        '/components/0/ports/2/name ports-consistent',
        '/components/0/ports/1/port ports-consistent',
        '/components/0/ports/1/from/0 ports-consistent',
        '/components/0/ports/2 ports-consistent',
        '/components/0/ports/3/protocol ports-consistent',
      ],
    ],
    [
      'a public port',
      manifest([{ name: 'lan' }], [component('app', { ports: [{ name: 'a', port: 80, public: true }] })]),
      ['/components/0/ports/0/public a public port is not executed by this release'],
    ],
  ])('with %s is refused', (_, value, expected) => {
    expect(faults(value)).toEqual(expected);
  });

  it('fits the smallest subnet up to the last address', () => {
    const of = (max: number) =>
      faults(manifest([{ name: 'lan', ipv4: '10.0.0.0/29' }], [component('app', { instances: { max } })]));
    expect([of(4), of(5).length]).toEqual([[], 1]);
    expect(endOf([subnetOf('10.0.0.0/29', 'ipv4')])).toBe(7);
  });

  it('goes to hosts that connect VEEs to networks', () => {
    const [rule] = constraintsOf(checkManifest(manifest([{ name: 'lan' }])), SERVICE);
    const host = toSnapshotHost(hostRecord('h1'));
    const without = { ...host, capabilities: { ...host.capabilities, networks: undefined } };
    const broken = (h: typeof host) =>
      rule && breaches(rule, [veeRecord('a', 'h1')], new Map([['h1' as HostId, h]]));
    expect([broken(host), broken(without)?.length]).toEqual([[], 1]);
  });
});
