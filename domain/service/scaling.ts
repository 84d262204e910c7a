import type { VeeRecord } from '../vee/vee';
import type { LivingVee } from './deployment';

/** A scale plan in the form that its executor needs. */
export interface ScalingChange {
  readonly create: readonly number[];
  readonly retire: readonly LivingVee[];
}

export interface ScalePlan {
  /** Array indices to create, lowest free first. */
  readonly create: readonly number[];
  /** VEEs to retire, in order. */
  readonly retire: readonly VeeRecord[];
}

/**
 * What must change to bring an elastic array from its living members to `wanted`. Retired first are those
 * on the host that carries most of the array (which evens it out), then the youngest index: the choice
 * is a pure function of the members, so a repeated plan is the same plan.
 */
export function planScaling(members: readonly VeeRecord[], wanted: number): ScalePlan {
  const living = members.filter((v) => v.state !== 'DESTROYED').sort((a, b) => a.index - b.index);
  if (living.length <= wanted) {
    const used = new Set(living.map((v) => v.index));
    const create: number[] = [];
    for (let index = 0; create.length < wanted - living.length; index++)
      if (!used.has(index)) create.push(index);
    return { create, retire: [] };
  }
  const remaining = [...living];
  const retire: VeeRecord[] = [];
  while (remaining.length > wanted) {
    const load = new Map<string, number>();
    for (const v of remaining) load.set(v.hostId, (load.get(v.hostId) ?? 0) + 1);
    const victim = remaining.reduce((worst, v) => {
      const byLoad = (load.get(v.hostId) ?? 0) - (load.get(worst.hostId) ?? 0);
      return byLoad > 0 || (byLoad === 0 && v.index > worst.index) ? v : worst;
    });
    retire.push(victim);
    remaining.splice(remaining.indexOf(victim), 1);
  }
  return { create: [], retire };
}
