import type { Finding } from '../errors';
import { dependantsOf } from '../service/start-order';
import { referencesOf } from './context';
import type { Manifest, ManifestComponent } from './schema';

/** So many addresses travel with the VEEs of a component that name all members of another. */
const MOST_TOLD = 1_024;

/** Addresses that can't be there, or not yet, when the VEE is made that is to be told them. */
export const unknownAddresses = (m: Manifest): Finding[] =>
  m.components.flatMap((c, i) =>
    referencesOf(c, i).flatMap(({ reference, text, pointer }) => {
      if (reference?.kind !== 'address') return [];
      const { component, network, all } = reference;
      const other = component === undefined ? c : m.components.find((o) => o.name === component);
      const wrong =
        component === undefined || !other
          ? other
            ? undefined
            : ['there is no such component', `Known are: ${m.components.map((o) => o.name).join(', ')}.`]
          : faultBetween(m, c, other, all);
      const fault = wrong ?? (other ? withoutNetwork(c, other, network) : undefined);
      return fault ? [{ pointer, message: `\${${text}}: ${fault[0] ?? ''}`, hint: fault[1] ?? '' }] : [];
    }),
  );

function faultBetween(
  m: Manifest,
  c: ManifestComponent,
  other: ManifestComponent,
  all: boolean,
): string[] | undefined {
  if (!dependantsOf([other.name], m.topology.dependencies).includes(c.name))
    return [
      `"${c.name}" does not depend on "${other.name}"`,
      'What it is told has to be there before it: add it to /topology/dependencies.',
    ];
  if (all && c.instances.max * other.instances.max > MOST_TOLD)
    return [
      `${c.instances.max} times ${other.instances.max} addresses are over ${MOST_TOLD}`,
      `Name one (\${component.${other.name}.address}), or have fewer of one of them.`,
    ];
  return undefined;
}

function withoutNetwork(
  { name, networks: mine = [] }: ManifestComponent,
  other: ManifestComponent,
  network: string | undefined,
): string[] | undefined {
  const shared = mine.filter((n) => other.networks?.includes(n));
  if (network === undefined ? shared.length > 0 : shared.includes(network)) return undefined;
  const who = other.name === name ? `"${name}" is` : `"${name}" and "${other.name}" are`;
  return [
    `${who} not on ${network === undefined ? 'a network' : `the network "${network}"`}${other.name === name ? '' : ' together'}`,
    'Addresses are those of networks that both are on: see /components/…/networks.',
  ];
}
