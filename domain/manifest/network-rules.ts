import type { Finding } from '../errors';
import { layOutBlocks } from '../network/blocks';
import { needsOn } from '../network/needs';
import { endOf, overlap, readSubnet, type Subnet, subnetText } from '../network/subnet';
import { ANYBODY } from './networks-schema';
import type { Manifest } from './schema';

/** Each may be a dozen subnets, which travel with each VEE: of a whole batch they have to fit into one payload. */
export const MOST_SOURCES = 16;

/** As VEEs are numbered. */
const NUMBER = /^(0|[1-9]\d*)$/;

/** What a manifest says of networks and ports, as far as it can be judged without the site. */
export const NETWORK_RULES: Readonly<Record<string, (m: Manifest) => Finding[]>> = {
  'network-names-unique': (m) => [
    ...twice(
      (m.networks ?? []).map((n) => n.name),
      (i) => `/networks/${i}/name`,
    ),
    ...twice(
      (m.networks ?? []).map((n) => n.site),
      (i) => `/networks/${i}/site`,
    ),
    ...m.components.flatMap(({ networks = [] }, c) =>
      twice(networks, (i) => `/components/${c}/networks/${i}`),
    ),
  ],

  'networks-exist': (m) => {
    const known = (m.networks ?? []).map((n) => n.name);
    const hint = known.length > 0 ? `Known are: ${known.join(', ')}.` : 'List it under /networks.';
    return m.components.flatMap(({ networks = [] }, c) =>
      networks.flatMap((name, i) =>
        known.includes(name)
          ? []
          : [
              {
                pointer: `/components/${c}/networks/${i}`,
                message: `no network is called "${name}"`,
                hint,
              },
            ],
      ),
    );
  },

  'subnets-sound': (m) =>
    (m.networks ?? []).flatMap((n, i) => {
      if (n.site !== undefined && (n.ipv4 !== undefined || n.ipv6 !== undefined))
        return [
          {
            pointer: `/networks/${i}/site`,
            message: 'a network of the site has its subnets already',
            hint: 'Leave ipv4 and ipv6 out, or site.',
          },
        ];
      return (['ipv4', 'ipv6'] as const).flatMap((family) => {
        const cidr = n[family];
        const subnet = cidr === undefined ? undefined : readSubnet(cidr, family);
        return typeof subnet === 'string'
          ? [{ pointer: `/networks/${i}/${family}`, message: subnet, hint: 'See docs/networks.md.' }]
          : [];
      });
    }),

  'subnets-apart': (m) => {
    const all = (m.networks ?? []).flatMap((n, i) =>
      soundSubnets(n).map((subnet) => ({ subnet, name: n.name, i })),
    );
    return all.flatMap(({ subnet, i }, at) => {
      const other = all.slice(0, at).find((o) => overlap(o.subnet, subnet));
      if (!other) return [];
      return [
        {
          pointer: `/networks/${i}/${subnet.family}`,
          message: `${subnetText(subnet)} overlaps ${subnetText(other.subnet)} of network ${other.name}`,
          hint: 'A VEE on both could not tell where to send what.',
        },
      ];
    });
  },

  'subnets-large-enough': (m) =>
    (m.networks ?? []).flatMap((n, i) => {
      const subnets = soundSubnets(n);
      if (subnets.length === 0) return [];
      const needs = needsOn(m, n);
      const plan = layOutBlocks(endOf(subnets), [], needs);
      if (plan.kind === 'laid-out') return [];
      const need = needs.reduce((sum, { most }) => sum + most, 0);
      const family = subnets.length === 1 ? subnets[0]?.family : 'ipv4';
      return [
        {
          pointer: `/networks/${i}/${family}`,
          message: `${need} addresses may be needed on it (instances.max of each component, and maxSurge), and it has ${endOf(subnets) - 2}`,
          hint: 'Take a shorter prefix, or leave it out to have a subnet that is large enough.',
        },
      ];
    }),

  'network-names-apart': (m) =>
    m.components.flatMap(({ name, networks = [] }, i) => {
      const alike = m.components.find(
        (c) =>
          name.startsWith(`${c.name}-`) &&
          NUMBER.test(name.slice(c.name.length + 1)) &&
          c.networks?.some((n) => networks.includes(n)),
      );
      if (!alike) return [];
      return [
        {
          pointer: `/components/${i}/name`,
          message: `an instance of "${alike.name}" has that name on a network of both`,
          hint: 'Name it otherwise, or let them be on no network together.',
        },
      ];
    }),

  'ports-consistent': (m) => {
    const known = new Set(m.components.map((c) => c.name));
    return m.components.flatMap(({ networks, ports = [] }, c) => {
      const at = `/components/${c}/ports`;
      const found: Finding[] = [
        ...twice(
          ports.map((p) => p.name),
          (i) => `${at}/${i}/name`,
        ),
      ];
      if (ports.length > 0 && !networks)
        found.push({
          pointer: at,
          message: 'nothing can come in: the component is on no network',
          hint: 'Name its networks, or remove the ports.',
        });
      const named = ports.flatMap((p) => p.from ?? []).filter((name) => name !== ANYBODY).length;
      if (named > MOST_SOURCES)
        found.push({
          pointer: at,
          message: `components are named ${named} times, over ${MOST_SOURCES}`,
          hint: 'Say one range of ports for several, or leave from out.',
        });
      ports.forEach(({ port, toPort, protocol = 'tcp', from = [] }, i) => {
        const say = (field: string, message: string, hint: string) =>
          found.push({ pointer: `${at}/${i}${field}`, message, hint });
        if (protocol === 'icmp' && (port !== undefined || toPort !== undefined))
          say('/protocol', 'icmp has no ports', 'Leave port and toPort out.');
        if (protocol !== 'icmp' && port === undefined) say('', 'its port is missing', 'Write port.');
        if (port !== undefined && toPort !== undefined && toPort < port)
          say('/toPort', `it comes before ${port}`, 'Write the last port of the range.');
        const clash = ports
          .slice(0, i)
          .find(
            (p) =>
              (p.protocol ?? 'tcp') === protocol &&
              (p.port ?? 0) <= (toPort ?? port ?? 0) &&
              (port ?? 0) <= (p.toPort ?? p.port ?? 0),
          );
        if (clash)
          say(
            port === undefined ? '' : '/port',
            `port ${clash.name} has it already`,
            'Say all that may come in by it there.',
          );
        from.forEach((name, f) => {
          if (name !== ANYBODY && !known.has(name))
            say(`/from/${f}`, `no component is called "${name}"`, `Known are: ${[...known].join(', ')}.`);
        });
      });
      return found;
    });
  },
};

function soundSubnets(n: NonNullable<Manifest['networks']>[number]): Subnet[] {
  return (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const cidr = n[family];
    const subnet = cidr === undefined ? 'none' : readSubnet(cidr, family);
    return typeof subnet === 'string' ? [] : [subnet];
  });
}

function twice(names: readonly (string | undefined)[], pointer: (index: number) => string): Finding[] {
  return names.flatMap((name, i) =>
    name === undefined || names.indexOf(name) === i
      ? []
      : [{ pointer: pointer(i), message: `"${name}" is used twice`, hint: 'Name each once.' }],
  );
}
