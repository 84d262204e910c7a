import type { ContextFile } from '../../domain/context/model';
import { knownTo } from '../../domain/context/neighbours';
import { resolveContext } from '../../domain/context/resolve';
import { resolversOf } from '../../domain/network/resolver';
import type { VeeSpec } from '../contract';

/** All that a VEE is told, whatever technology tells it. */
export interface ToldContext {
  readonly hostname: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly userData?: string;
  readonly files: readonly ContextFile[];
  readonly sshKeys: readonly string[];
  /** Names with addresses, for its hosts file: its own, where it has one, and of those whom it is to know. */
  readonly hosts: readonly { readonly name: string; readonly address: string }[];
  /** Whom it asks for names; nobody where it is on no network. */
  readonly resolvers: readonly string[];
  /** What it is, for programs in it: `vee.json`. Without the epoch: a copy that arrives on another host is told nothing new. */
  readonly identity: object;
}

/**
 * @param given variables that its host adds, such as the numbers of its devices
 * @throws SluiceError `driver-refused` where a value names an address that nothing has
 */
export function contextOf(spec: VeeSpec, given: Readonly<Record<string, string>> = {}): ToldContext {
  const { veeId, serviceId, tenantId, component, index, template } = spec;
  const hostname = `${component}-${index}`;
  const self = {
    ...{ name: hostname, index: String(index), component, vee: veeId, service: serviceId, tenant: tenantId },
  };
  const known = knownTo(spec);
  const { environment, ...rest } = resolveContext(self, template, known);
  const all = {
    SLUICE_VEE: veeId,
    SLUICE_SERVICE: serviceId,
    SLUICE_TENANT: tenantId,
    SLUICE_COMPONENT: component,
    SLUICE_INDEX: String(index),
    ...given,
    ...environment,
  };
  const { command } = template;
  return {
    ...rest,
    hostname,
    environment: all,
    hosts: known.map((k) => ({ name: `${k.component}-${k.index}`, address: k.address })),
    resolvers: resolversOf(spec.networks),
    identity: {
      ...{ veeId, serviceId, tenantId, component, index, name: hostname, command },
      environment: all,
    },
  };
}

/** Of a file that nothing is said of. */
const USUAL_MODE = '0644';
export const modeOf = ({ mode = USUAL_MODE }: ContextFile): number => Number.parseInt(mode, 8);
export const authorizedKeys = (keys: readonly string[]): string => keys.map((k) => `${k}\n`).join('');
