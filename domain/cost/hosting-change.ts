import type { HostId } from '../ids';
import { goalOf } from '../placement/built-in-policies';
import { powerOf } from '../placement/cost-policies';
import type { SnapshotHost } from '../placement/model';
import type { Parameters, PolicyData } from '../placement/policy';
import { add, type Capacity, subtract } from '../units';
import { HOURS_A_MONTH, hostingPerHour, isInUse, wattsOf } from './hosting';
import { tariffInForce } from './tariff';

/** By how much more the hosts of a site cost and draw once a plan is carried out; less than nothing is saved. */
export interface HostingChange {
  /** In the currency of the site: energy is in it where the policy in force prices it. */
  readonly perHour: number;
  /** Of 730 hours. */
  readonly perMonth: number;
  readonly watts: number;
  /** The longest that one takes to wake of those that come into use; absent where none has told. */
  readonly wakeSeconds?: number;
}

/** What comes to hosts, and what leaves them. */
export interface HostChange {
  readonly hostId: HostId;
  readonly comes?: Capacity;
  readonly leaves?: Capacity;
}

/** By what a change is counted, beside what hosts have told. */
export interface HostingTerms {
  readonly energyPerKWh?: number | undefined;
  /** By which a host that tells no power curve is taken to draw something: those of a policy that goes by it. */
  readonly assumed?: Parameters | undefined;
}

/** As the policy in force counts: its rebalances give the same watts. */
export const hostingTermsOf = (policy: PolicyData): HostingTerms => ({
  energyPerKWh: tariffInForce(policy)?.energyPerKWh,
  ...(goalOf(policy) === 'watts' ? { assumed: policy.parameters ?? {} } : {}),
});

/** @returns undefined where no host has told what it costs or draws */
export function hostingChange(
  hosts: readonly Pick<SnapshotHost, 'id' | 'capacity' | 'reserved' | 'price' | 'power'>[],
  changes: readonly HostChange[],
  { energyPerKWh = 0, assumed }: HostingTerms = {},
): HostingChange | undefined {
  if (!hosts.some((h) => h.price || h.power)) return undefined;
  const then = new Map<HostId, Capacity>();
  const now = new Map(hosts.map((h) => [h.id, h.reserved]));
  for (const { hostId, comes, leaves } of changes) {
    const before = then.get(hostId) ?? now.get(hostId);
    if (!before) continue;
    const after = comes ? add(before, comes) : before;
    then.set(hostId, leaves ? subtract(after, leaves) : after);
  }
  let [perHour, watts, wakeSeconds] = [0, 0, 0];
  for (const host of hosts) {
    const after = then.get(host.id);
    if (!after) continue;
    const { capacity, reserved } = host;
    const power = assumed ? powerOf(host, assumed) : host.power;
    perHour += hostingPerHour(host, after, energyPerKWh) - hostingPerHour(host, reserved, energyPerKWh);
    watts += wattsOf(power, capacity, after) - wattsOf(power, capacity, reserved);
    if (isInUse(after) && !isInUse(reserved)) wakeSeconds = Math.max(wakeSeconds, power?.wakeSeconds ?? 0);
  }
  // Sums of decimals: what is left of rounding is no price.
  const rounded = (n: number) => Number(n.toFixed(9));
  return {
    ...{ perHour: rounded(perHour), perMonth: rounded(perHour * HOURS_A_MONTH), watts: rounded(watts) },
    ...(wakeSeconds > 0 ? { wakeSeconds } : {}),
  };
}

/** Of VEEs that are placed, or that go from one host to another. */
export const changesOfPlaces = (
  vees: readonly {
    readonly to?: HostId | undefined;
    readonly from?: HostId | undefined;
    readonly need: Capacity;
  }[],
): HostChange[] =>
  vees.flatMap(({ to, from, need }) =>
    to === from
      ? []
      : [
          ...(to === undefined ? [] : [{ hostId: to, comes: need }]),
          ...(from === undefined ? [] : [{ hostId: from, leaves: need }]),
        ],
  );
