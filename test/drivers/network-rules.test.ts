import fc from 'fast-check';
import { apartEvent } from '../../api/underlay-family';
import type { HostId } from '../../domain/ids';
import {
  bridgesOf,
  checkAttachment,
  entryName,
  linkLocalOf,
  networkNames,
  portName,
} from '../../drivers/network/names';
import { peersOf, requireFreePort } from '../../drivers/network/peers';
import { portRules, withoutPort } from '../../drivers/network/rules';
import { cloudInitSeed } from '../../drivers/qemu/seed';
import { attachedTo } from '../support/networks';

const MOST_CHARACTERS = 15;
const vnis = fc.integer({ min: 1, max: 2 ** 24 - 1 });

describe('what devices are called', () => {
  it('fits, says the network, and is nobody else’s', () => {
    fc.assert(
      fc.property(vnis, vnis, fc.string(), fc.string(), (vni, other, domain, stranger) => {
        const { bridge, vxlan } = networkNames(domain, vni);
        for (const name of [bridge, vxlan]) expect(name).toMatch(/^sl[bx][0-9a-z]{12}$/);
        expect(bridgesOf(domain, ['eth0', bridge, vxlan])).toEqual([{ bridge, vni }]);
        if (other !== vni) expect(networkNames(domain, other).bridge).not.toBe(bridge);
        if (stranger !== domain) expect(bridgesOf(stranger, [bridge])).toEqual([]);
      }),
    );
  });

  it('is another for each host, VEE and network', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.string(), fc.uuid(), fc.uuid()), { maxLength: 20, selector: String }),
        (all) => {
          const ports = all.map(([host, vee, network]) => portName('tap', host, vee, network));
          expect(new Set(ports).size).toBe(all.length);
          for (const port of [...ports, ...all.map(([, vee, network]) => entryName(vee, network))])
            expect(port).toHaveLength(MOST_CHARACTERS);
        },
      ),
    );
  });

  it('an interface calls itself by its hardware address until it is told another', () => {
    expect(linkLocalOf('02:00:5e:10:00:ff')).toBe('fe80::0:5eff:fe10:ff');
  });
});

describe('the other ends of VXLANs', () => {
  it('are hosts, of the same family, each once, as Linux writes them', () => {
    const told = [
      '192.0.2.2',
      'fd00:0::0:1',
      '192.0.2.1',
      '192.0.2.2',
      '224.0.0.1',
      '0.0.0.0',
      'fd00::2',
      'no',
    ];
    expect(peersOf('192.0.2.1', told)).toEqual(['192.0.2.2']);
    expect(peersOf('FD00::1', [...told, '::', 'ff02::1', 'fd00:0::02'])).toEqual(['fd00::2']);
  });

  it.each([
    ['another site’s', { device: networkNames('b', 8).vxlan, vni: 8, port: 4_789 }, true],
    ['another site’s at another port', { device: networkNames('b', 7).vxlan, vni: 7, port: 4_790 }, false],
    ['its own', { device: networkNames('a', 8).vxlan, vni: 8, port: 4_789 }, false],
    ['a stranger’s of that identifier', { device: 'flannel.1', vni: 7, port: 4_789 }, true],
    ['a stranger’s of another one', { device: 'flannel.1', vni: 1, port: 4_789 }, false],
  ])('are not where %s is: %j is in the way, %s', (_, there, refused) => {
    const make = () => requireFreePort('a', 7, 4_789, [there]);
    if (!refused) expect(make).not.toThrow();
    else expect(make).toThrow(expect.objectContaining({ code: 'driver-refused' }));
  });

  it('a host of the other family is told of, and its own is not', () => {
    const [four, six] = [
      { hostId: 'h4' as HostId, underlayAddress: '192.0.2.1' },
      { hostId: 'h6' as HostId, underlayAddress: 'fd00::1' },
    ];
    expect(apartEvent(four, [four], 1)).toBeUndefined();
    expect(apartEvent(six, [four, six], 1)).toMatchObject({ kind: 'host.underlay-apart', subject: 'h6' });
  });
});

describe('what a host is told of a network', () => {
  const told = attachedTo(1, 1);
  it.each([
    ['an identifier that VXLAN has not', { vni: 2 ** 24 }],
    ['a hardware address with more behind it', { mac: `${told.mac} drop` }],
    ['an address that is none', { addresses: [{ address: '10.0.0.1; flush ruleset', prefixLength: 24 }] }],
    [
      'an address with an interface of the host',
      { addresses: [{ address: 'fe80::1%eth0', prefixLength: 64 }] },
    ],
    ['a prefix longer than the address', { addresses: [{ address: '10.0.0.1', prefixLength: 33 }] }],
    [
      'a gateway of the other family',
      { addresses: [{ address: '10.0.0.1', prefixLength: 24, gateway: 'fd00::1' }] },
    ],
    ['a port that is none', { ingress: [{ protocol: 'tcp' as const, fromPort: 0 }] }],
    ['a range with more behind it', { ingress: [{ protocol: 'udp' as const, from: ['10.0.0.0/8 accept'] }] }],
    ['a range that is too long', { ingress: [{ protocol: 'udp' as const, from: ['10.0.0.0/33'] }] }],
  ])('is refused with %s', (_, wrong) => {
    expect(() => checkAttachment(told)).not.toThrow();
    expect(() => checkAttachment({ ...told, ...wrong })).toThrow(
      expect.objectContaining({ code: 'driver-refused' }),
    );
  });

  it('becomes rules by family, with no rule for what it has none of', () => {
    const entry = { bridge: 'slb1', chain: 'sli1' };
    const ingress = [
      { protocol: 'tcp' as const, fromPort: 80, toPort: 90, from: ['10.77.1.0/30', 'fd77::/64'] },
    ];
    const rules = portRules('slv1', entry, { ...told, ingress });
    expect(rules).toContain('sli1 ip saddr 10.77.1.0/30 tcp dport 80-90 accept');
    expect(rules).toContain('sli1 ip6 saddr fd77::/64 tcp dport 80-90 accept');
    expect(portRules('slv1', entry, { ...told, ingress: [] })).toContain('add rule inet sluice sli1 drop');
    expect(portRules('slv1', entry, told)).not.toContain('sli1');
    const only4 = { ...told, addresses: told.addresses.slice(0, 1) };
    expect(portRules('slv1', entry, only4)).not.toContain('ip6 saddr');
    // The other copy of a migration on the same machine still goes by them.
    expect(withoutPort('slv1', undefined, { ...told, ingress })).not.toContain('sli1');
  });

  it('is on the disk for cloud-init, by hardware address', () => {
    const nothing = { files: [], sshKeys: [], hosts: [], resolvers: [] };
    const context = { environment: {}, hostname: 'a', identity: {}, ...nothing };
    const plain = cloudInitSeed('vee-1', context).toString('latin1');
    const networked = cloudInitSeed('vee-1', context, [told]).toString('latin1');
    expect(plain).not.toContain('ethernets');
    expect(networked).toContain(`"match":{"macaddress":"${told.mac}"}`);
    expect(networked).toContain('"addresses":["10.77.1.1/24","fd77:1::1/64"]');
    expect(networked).toContain('"nameservers":{"addresses":["10.77.1.1"]}');
  });
});
