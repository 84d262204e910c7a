import type { Driver } from '../../../drivers/contract';
import type { HostCredentials, HostIdentity } from '../../../drivers/lib/host-identity';
import { createQemuDriver } from '../../../drivers/qemu/driver';

/** What an agent of these tests is: a driver in a process of its own, asked by messages, that can be killed. */
export interface Call {
  readonly id: number;
  readonly verb: keyof Driver;
  readonly args: readonly unknown[];
}

export interface Begin {
  readonly identity: Omit<HostIdentity, 'credentials'>;
  readonly credentials: HostCredentials;
  readonly dataDir: string;
}

export type Told =
  | { readonly id: number; readonly result?: unknown; readonly error?: string }
  | { readonly phase: string };

let goOn: () => void = () => undefined;
const tell = (told: Told) => process.send?.(told);

async function serve(): Promise<void> {
  const { identity, credentials, dataDir } = JSON.parse(process.argv[2] ?? '') as Begin;
  const driver = await createQemuDriver({
    hostId: identity.hostId,
    dataDir,
    accelerator: 'tcg',
    identity: { ...identity, credentials: () => credentials },
    reached: (phase) =>
      new Promise((resolve) => {
        goOn = resolve;
        tell({ phase });
      }),
  });
  await driver.recover();
  process.on('message', (message: Call | 'go') => {
    if (message === 'go') return goOn();
    const { id, verb, args } = message;
    const act = driver[verb] as (...args: readonly unknown[]) => Promise<unknown>;
    act.apply(driver, [...args]).then(
      (result) => tell({ id, result }),
      (error: Error) => tell({ id, error: error.message }),
    );
  });
  process.once('disconnect', () => process.exit());
  tell({ id: 0 });
}

void serve();
