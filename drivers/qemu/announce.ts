import type { QmpClient } from './qmp';

/** Five times within two seconds, the first at once: one of them may be lost. */
const ROUNDS = { initial: 50, max: 550, rounds: 5, step: 100 };

/**
 * A machine that goes on elsewhere is looked for where it was, until the bridges hear of it. QEMU tells them, whatever its
 * guest does; it goes on by itself meanwhile. Moot for one that is on no network.
 */
export async function announce(qmp: QmpClient, networks: readonly unknown[] = []): Promise<void> {
  if (networks.length > 0) await qmp.execute('announce-self', ROUNDS);
}
