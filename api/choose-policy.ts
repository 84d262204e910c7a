import { economyOf } from '../domain/cost/host-economy';
import { SluiceError } from '../domain/errors';
import type { HostId, ServiceId, TenantId } from '../domain/ids';
import { toPointer } from '../domain/manifest/parse';
import {
  ascendingOf,
  isBuiltIn,
  POLICY_NAMES,
  parametersOf,
  rangeOf,
  rankingOf,
  weightsOf,
} from '../domain/placement/built-in-policies';
import {
  isPolicyBroken,
  type Parameters,
  type Placing,
  type Policy,
  type PolicyData,
  type RankedHost,
} from '../domain/placement/policy';
import { type HostOffer, toSnapshotHost } from '../store/hosts';
import type { ApiDeps } from './deps';
import { invalid } from './invalid';
import { didYouMean } from './near-name';

/** What somebody wants to place by. */
export interface WantedPolicy {
  readonly name: string;
  readonly parameters?: Parameters | undefined;
}

/** One that was tried, and in which order it would take the hosts of this site now for something small. */
export interface TriedPolicy {
  readonly policy: PolicyData;
  readonly ranked: readonly { readonly hostId: HostId; readonly score: number }[];
}

/**
 * The policy of a name, with its parameters: one that was tried before it is believed. A plug-in is loaded, says what it
 * is, and ranks the hosts of this site once.
 * @throws SluiceError `request-invalid`, or `policy-unusable` for a plug-in that breaks
 */
export async function choosePolicy(
  { plugins, store }: Pick<ApiDeps, 'plugins' | 'store'>,
  { name, parameters }: WantedPolicy,
): Promise<TriedPolicy> {
  const open = (await store.hosts.offers()).filter((h) => h.liveness === 'up' && !h.cordoned);
  if (isBuiltIn(name)) {
    const set = settingOf(name, parametersOf(name), parameters);
    const weights = weightsOf(name);
    if (weights.length > 0 && weights.every((weight) => set[weight] === 0))
      throw invalid(
        '/parameters',
        `${name} needs a weight above 0`,
        `Give at least one of: ${weights.join(', ')}.`,
      );
    for (const [key, value] of Object.entries(set)) {
      const [least, most] = rangeOf(name, key);
      if (value >= least && value <= most) continue;
      const fault = value < least ? `is below ${least}` : `is above ${most}`;
      const hint = most < Infinity ? `It is from ${least} to ${most}.` : 'It is 0 or more: 0 leaves it out.';
      throw invalid(toPointer(['parameters', key]), fault, hint);
    }
    for (const [lower, higher] of ascendingOf(name)) {
      const [less = 0, more = 0] = [set[lower], set[higher]];
      if (less <= more) continue;
      const wrong = parameters?.[lower] === undefined ? higher : lower;
      throw invalid(
        toPointer(['parameters', wrong]),
        `${lower} (${less}) is above ${higher} (${more})`,
        `What is not set is as usual: ${lower}=${parametersOf(name)[lower]} ${higher}=${parametersOf(name)[higher]}.`,
      );
    }
    // What is off until somebody sets it, and stays off, is not worth telling.
    const told = Object.entries(set).filter(
      ([key, is]) => is !== 0 || parametersOf(name)[key] !== 0 || weights.includes(key),
    );
    return tried(policyOf(name, Object.fromEntries(told)), open);
  }
  const names = plugins.names();
  if (!names.includes(name)) {
    const known = [...POLICY_NAMES, ...names].join(', ');
    const where = plugins.folder
      ? `plug-ins are looked for in ${plugins.folder}`
      : 'no folder is set for plug-ins';
    throw invalid(
      '/name',
      `there is no placement policy ${name}`,
      `${didYouMean(name, [...POLICY_NAMES, ...names])}There are: ${known}; ${where}.`,
    );
  }
  try {
    const { sha256, takes, goal, parameters: usual } = await plugins.describe(name);
    const chosen = { ...policyOf(name, settingOf(name, usual, parameters)), plugin: { sha256, takes, goal } };
    return { ...tried(await plugins.equip(chosen), open), policy: chosen };
  } catch (error) {
    if (!isPolicyBroken(error)) throw error;
    plugins.giveUp(name);
    throw new SluiceError('policy-unusable', `The plug-in ${name} can't be used: ${error.message}.`, {
      pointer: '/name',
    });
  }
}

function policyOf(name: string, set: Parameters): PolicyData {
  return { name, ...(Object.keys(set).length > 0 ? { parameters: set } : {}) };
}

/** In one order, so that two that are alike are the same. */
function settingOf(name: string, usual: Parameters, given: Parameters = {}): Parameters {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(usual, key));
  if (unknown !== undefined) {
    const known = Object.keys(usual).join(', ');
    throw invalid(
      toPointer(['parameters', unknown]),
      `${name} has no parameter ${unknown}`,
      known ? `${didYouMean(unknown, Object.keys(usual))}It has: ${known}.` : 'It has none.',
    );
  }
  const set = { ...usual, ...given };
  return Object.fromEntries(
    Object.keys(set)
      .sort()
      .map((key) => [key, set[key] ?? 0]),
  );
}

/** Something small that is about to be placed; what it is called must not matter. */
const ANYTHING: Placing = {
  tenantId: 'any' as TenantId,
  serviceId: 'any' as ServiceId,
  component: 'any',
  image: 'any',
  vees: 1,
  need: { cpuMillis: 100, memoryMiB: 128, diskMiB: 0, bandwidthKbps: 0 },
};

function tried(policy: Policy, open: readonly HostOffer[]): TriedPolicy {
  const hosts = open.map(toRanked);
  const scores = rankingOf(policy).scores(ANYTHING, hosts);
  const ranked = hosts.map(({ id: hostId }, n) => ({ hostId, score: scores[n] ?? 0 }));
  return { policy, ranked: ranked.sort((a, b) => a.score - b.score || (a.hostId < b.hostId ? -1 : 1)) };
}

function toRanked(host: HostOffer): RankedHost {
  const snapshot = toSnapshotHost(host);
  const { id, zone, labels, driver, capacity, reserved, measured } = snapshot;
  const sameService = { onHost: 0, inZone: 0, inSite: 0 };
  return {
    ...{ id, zone, labels, driver, capacity, reserved, sameService, ...economyOf(snapshot) },
    ...(measured ? { measured } : {}),
  };
}
