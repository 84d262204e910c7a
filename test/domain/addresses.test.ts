import type { NetworkId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { addressesOnce } from '../../domain/invariants/addresses';
import type { SystemState } from '../../domain/invariants/model';
import { MOST_SOURCES } from '../../domain/manifest/network-rules';
import { attachmentsOf } from '../../domain/network/attach';
import { layOutBlocks } from '../../domain/network/blocks';
import { type AddressLease, macOf, type ServiceNetwork } from '../../domain/network/model';
import { namesOn } from '../../domain/network/names';
import { findLeftovers } from '../../domain/reconcile/leftovers';
import { USUAL_BATCH } from '../../domain/service/batches';
import { driftState, hostRecord, NOW, SERVICE, veeRecord } from '../support/drift-states';
import { running } from '../support/sound-site';

const network: ServiceNetwork = {
  ...{
    id: 'net-1' as NetworkId,
    kind: 'service',
    name: 'lan',
    vni: 7,
    mtu: 1_450,
    createdAt: 0,
    generation: 1,
  },
  ...{ tenantId: 'acme' as TenantId, serviceId: SERVICE, ipv4: '10.0.0.0/24', ipv6: 'fd00::/64' },
  blocks: [{ component: 'app', from: 16, to: 32 }],
};
const lease = (veeId: string, offset: number, more: Partial<AddressLease> = {}): AddressLease => ({
  ...{ id: `net-1/${veeId}`, networkId: network.id, veeId: veeId as VeeId, tenantId: network.tenantId },
  ...{
    serviceId: SERVICE,
    component: 'app',
    offset,
    mac: macOf(network.id, veeId as VeeId),
    held: true,
    since: 0,
  },
  ...more,
});

describe('what a host is told', () => {
  const told = (from?: string[]) =>
    attachmentsOf(
      [{ as: { name: 'lan' }, network, lease: lease('a', 16) }],
      from && [{ protocol: 'tcp', port: 80, from }],
    )[0];

  it('are addresses of both families by one number, and a MAC that is the VEE’s', () => {
    expect(told()).toEqual({
      ...{ networkId: 'net-1', name: 'lan', vni: 7, mtu: 1_450 },
      mac: expect.stringMatching(/^02(:[0-9a-f]{2}){5}$/),
      addresses: [
        { address: '10.0.0.16', prefixLength: 24, gateway: '10.0.0.1' },
        { address: 'fd00::10', prefixLength: 64, gateway: 'fd00::1' },
      ],
    });
  });

  it('are components by their blocks, so that nothing changes when they are scaled', () => {
    const rule = { protocol: 'tcp', fromPort: 80, toPort: 80 };
    expect(told(['app'])?.ingress).toEqual([{ ...rule, from: ['10.0.0.16/28', 'fd00::10/124'] }]);
    expect(told(['any'])?.ingress).toEqual([{ ...rule, from: ['0.0.0.0/0', '::/0'] }]);
    expect(told(['other'])?.ingress).toEqual([]);
  });

  it('fits into a payload for the largest batch there is, with all that ports may say on full networks', () => {
    const needs = Array.from({ length: MOST_SOURCES }, (_, i) => ({ component: `component-${i}`, most: 62 }));
    const plan = layOutBlocks(1_023, [], needs);
    const blocks = plan.kind === 'laid-out' ? plan.blocks : [];
    expect(blocks).toHaveLength(MOST_SOURCES);
    const full = { ...network, ipv4: '10.20.0.0/22', ipv6: 'fd00:1234:5678:9abc::/64', blocks };
    const ports = Array.from({ length: 32 }, (_, i) => ({
      ...({ protocol: 'tcp', port: 10_000 + i } as const),
      ...(i < MOST_SOURCES ? { from: [`component-${i}`] } : {}),
    }));
    const on = Array.from({ length: 4 }, () => ({
      as: { name: 'lan' },
      network: full,
      lease: lease('a', 16),
    }));
    expect(JSON.stringify(attachmentsOf(on, ports)).length * USUAL_BATCH * 1.2).toBeLessThan(1_900_000);
  });

  it('leads the default route through the first network only', () => {
    const as = { network, lease: lease('a', 16) };
    const gateways = attachmentsOf(
      [
        { ...as, as: { name: 'lan' } },
        { ...as, as: { name: 'b' } },
      ],
      undefined,
    ).map((n) => n.addresses.map((a) => a.gateway !== undefined));
    expect(gateways).toEqual([
      [true, true],
      [false, false],
    ]);
  });
});

describe('names', () => {
  const vee = (component: string, index: number, address: string) => ({
    ...{ component, index, service: 'shop', tenant: 'acme', addresses: [address] },
  });

  it('are of one VEE, and of all of a component; with the tenant where others are', () => {
    const vees = [vee('app', 0, '10.0.0.16'), vee('app', 1, '10.0.0.17'), vee('app', 1, '10.0.0.18')];
    expect(namesOn({ kind: 'service' }, vees)).toEqual([
      { name: 'app-0.shop', addresses: ['10.0.0.16'] },
      { name: 'app-1.shop', addresses: ['10.0.0.17', '10.0.0.18'] },
      { name: 'app.shop', addresses: ['10.0.0.16', '10.0.0.17', '10.0.0.18'] },
    ]);
    expect(namesOn({ kind: 'site' }, vees.slice(0, 1)).map((n) => n.name)).toEqual([
      'app-0.shop.acme',
      'app.shop.acme',
    ]);
    expect(namesOn({ kind: 'service' }, [vee('a'.repeat(62), 0, '10.0.0.16')])).toHaveLength(1);
  });
});

describe('addresses in use', () => {
  const attached = (offset: number) =>
    attachmentsOf([{ as: { name: 'lan' }, network, lease: lease('a', offset) }], undefined);
  const vee = veeRecord('a', 'h1', { networks: attached(16) });
  const check = (changes: Partial<SystemState>) =>
    addressesOnce({
      now: NOW,
      vees: [vee],
      operations: [],
      networks: [network],
      addresses: [lease('a', 16)],
      ...changes,
    } as unknown as SystemState).violations;

  it('agree with what VEEs are recorded to have, or are told', () => {
    const twin = veeRecord('b', 'h1', { networks: attached(16) });
    expect(check({})).toEqual([]);
    expect(check({ addresses: [] })).toEqual(['a has an address of lan (net-1) that is not noted as given']);
    expect(check({ vees: [] })).toEqual(['net-1: the address of a was never given back']);
    expect(check({ networks: [] })[0]).toContain('which is no more');
    expect(check({ addresses: [lease('a', 17)] })).toEqual([
      'a has another address of lan than is noted as given',
    ]);
    expect(check({ vees: [vee, twin] })).toHaveLength(4);
    expect(check({ vees: [], operations: [running('op-1')] })).toEqual([]);
  });

  it('are given back when their VEE is no more, unless it may be there', () => {
    const left = (leases: AddressLease[], vees = [vee], hosts = [hostRecord('h1')], underWay: never[] = []) =>
      findLeftovers(driftState(vees, hosts, { addresses: leases, underWay }), { graceMillis: 1_000 })
        .addresses;
    const gone = { vee: { ...vee, state: 'DESTROYED' as const }, newestEpoch: 1 };
    const still = hostRecord('h1', [{ veeId: 'a', epoch: 1, state: 'ACTIVE' }]);
    expect(left([lease('a', 16), lease('b', 17), lease('c', 18, { since: NOW - 500 })])).toEqual(['b']);
    expect(left([lease('a', 16)], [gone.vee])).toEqual(['a']);
    expect(left([lease('a', 16)], [gone.vee], [still])).toEqual([]);
    const busy = { id: 'op-1', kind: 'service.scale', state: 'running', serviceId: SERVICE as ServiceId };
    expect(left([lease('b', 17)], [], [], [busy as never])).toEqual([]);
  });
});
