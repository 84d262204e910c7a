import { SluiceError } from '../errors';
import type { ContextFile, VeeContext } from './model';
import { type Reference, replaceReferences, type SelfFact } from './references';

/** Where a VEE of the same service is reached. */
export interface KnownAddress {
  readonly component: string;
  readonly index: number;
  readonly network: string;
  readonly address: string;
}

/** What a VEE is told, in the form in which it is told. */
export interface ResolvedContext {
  readonly environment: Readonly<Record<string, string>>;
  readonly userData?: string;
  readonly files: readonly ContextFile[];
  readonly sshKeys: readonly string[];
}

interface Told {
  readonly environment: Readonly<Record<string, string>>;
  readonly context?: VeeContext;
}

/**
 * @param known what there is to reach when the VEE is made, in the order of networks, of itself as well
 * @throws SluiceError `driver-refused` where an address is named that nothing has
 */
export function resolveContext(
  self: Readonly<Record<SelfFact, string>>,
  { environment, context = {} }: Told,
  known: readonly KnownAddress[] = [],
): ResolvedContext {
  const resolve = (text: string) => replaceReferences(text, (r) => standsFor(r, self, known));
  const { userData, files = [], sshKeys = [] } = context;
  return {
    environment: Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, resolve(value)]),
    ),
    ...(userData === undefined ? {} : { userData: resolve(userData) }),
    files: files.map((f) => ({ ...f, content: resolve(f.content) })),
    sshKeys,
  };
}

function standsFor(
  reference: Reference,
  self: Readonly<Record<SelfFact, string>>,
  known: readonly KnownAddress[],
): string {
  if (reference.kind === 'fact') return self[reference.fact];
  const { component = self.component, all } = reference;
  const own = reference.component === undefined;
  const members = known
    .filter((a) => a.component === component && (!own || a.index === Number(self.index)))
    .sort((a, b) => a.index - b.index);
  const network = reference.network ?? members[0]?.network;
  const found = members.filter((a) => a.network === network).map((a) => a.address);
  if (found[0] === undefined)
    throw new SluiceError(
      'driver-refused',
      `${own ? self.name : component} has no address${reference.network ? ` on ${reference.network}` : ''}, which ${self.name} is to be told.`,
    );
  return all ? found.join(',') : found[0];
}
