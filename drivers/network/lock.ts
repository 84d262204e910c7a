import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';
import { bindAbstract, closed } from '../lib/abstract-socket';

const POLL_MILLIS = 5;
const WAIT_MILLIS = 20_000;

/**
 * One change at a time to the devices of a network namespace, whichever agent makes it: who takes the last VEE off a bridge
 * must not do so while another puts one on it.
 * @throws SluiceError `driver-failed` after 20 s of waiting
 */
export async function exclusivelyIn<T>(namespace: string, change: () => Promise<T>): Promise<T> {
  const name = `sluice-network-${namespace}`;
  for (const until = Date.now() + WAIT_MILLIS; ; await delay(POLL_MILLIS)) {
    const held = await bindAbstract(name);
    if (held) {
      try {
        return await change();
      } finally {
        await closed(held);
      }
    }
    if (Date.now() >= until)
      throw new SluiceError(
        'driver-failed',
        'Another agent has been changing this host’s networks for long.',
      );
  }
}
