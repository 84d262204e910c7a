import { SluiceError } from '../domain/errors';
import { type Capacity, sameCapacity } from '../domain/units';
import type { Driver, DriverState, VeeRef, VeeStatus } from '../drivers/contract';

/** A verb's proof: what the host must show once the driver has said that it is done. */
type Proof = (seen: VeeStatus | undefined, expected: Expected) => boolean;
type Expected = VeeRef & { readonly capacity?: Capacity };

const isOneOf =
  (...states: DriverState[]): Proof =>
  (seen, { epoch }) =>
    seen !== undefined && seen.epoch === epoch && states.includes(seen.state);
/** It may have ended by itself since: that is a fact of its own, and not the verb's. */
const runs = isOneOf('ACTIVE', 'EXITED');
/** What is there under a newer epoch is somebody else's. */
const isGone: Proof = (seen, { epoch }) => seen === undefined || seen.epoch > epoch;

const PROOF = {
  define: (seen, { epoch }) => seen?.epoch === epoch,
  start: runs,
  pause: isOneOf('PAUSED'),
  resume: runs,
  suspend: isOneOf('SUSPENDED'),
  restore: runs,
  stop: isOneOf('DEFINED'),
  destroy: isGone,
  resize: (seen, { epoch, capacity }) =>
    seen?.epoch === epoch && capacity !== undefined && sameCapacity(seen.capacity, capacity),
  prepareTarget: isOneOf('INCOMING'),
  send: isOneOf('OUTGOING'),
  switchOver: runs,
  finish: isGone,
  'cancel target': isGone,
  // It may never have come so far as to be sent, or be gone: only what is still on its way was not cancelled.
  'cancel source': (seen) => seen?.state !== 'OUTGOING',
} satisfies Record<string, Proof>;

export type ProvenVerb = keyof typeof PROOF;

/** They only lead to a state: one that is there need not be led to again. The others raise fences, or return something. */
const LEADING: ReadonlySet<ProvenVerb> = new Set<ProvenVerb>([
  'define',
  'start',
  'pause',
  'resume',
  'suspend',
  'restore',
  'stop',
  'resize',
  'switchOver',
]);

/**
 * Trust, but inspect. A driver says that a verb is done; what is recorded next, and what may be done next, rests
 * on that: a source goes on because its target is said to be gone, a VEE is no longer metered because it is said
 * to have ended. So the host is looked at before anybody relies on it. A contradiction is a failure of the driver:
 * the verb is made again, and when the driver keeps contradicting itself the step fails, rather than the record.
 * A verb whose outcome is not known, since it was tried before, is looked for before it is made again.
 * @throws SluiceError `driver-failed` for a contradiction, or what the driver itself throws
 */
export async function proven<T>(
  driver: Driver,
  verb: ProvenVerb,
  expected: Expected,
  act: () => Promise<T>,
  triedBefore = false,
): Promise<T> {
  const { veeId, epoch } = expected;
  if (triedBefore && LEADING.has(verb) && PROOF[verb](await driver.inspect(veeId, false), expected))
    return undefined as T;
  const answer = await act();
  const seen = await driver.inspect(veeId, false);
  if (PROOF[verb](seen, expected)) return answer;
  const found = seen ? `it is ${seen.state} at epoch ${seen.epoch}` : 'it is not there';
  throw new SluiceError(
    'driver-failed',
    `The driver says that "${verb}" of ${veeId} at epoch ${epoch} is done, but ${found}.`,
  );
}
