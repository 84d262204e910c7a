import type { Manifest } from './schema';

/** `rollback` takes everything back, `keep` leaves what succeeded. */
export type OnFailure = 'rollback' | 'keep';

export interface UpdatePolicy {
  readonly maxUnavailable: number;
  readonly maxSurge: number;
  readonly onFailure: OnFailure;
}

/** What holds where a manifest says nothing: a new instance first, and everything back when it fails. */
const UPDATE: UpdatePolicy = { maxUnavailable: 0, maxSurge: 1, onFailure: 'rollback' };

export const updatePolicyOf = ({ update }: Pick<Manifest, 'update'>): UpdatePolicy => update ?? UPDATE;

export const provisioningFailureOf = ({ provisioning }: Pick<Manifest, 'provisioning'>): OnFailure =>
  provisioning?.onFailure ?? UPDATE.onFailure;
