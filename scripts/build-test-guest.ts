import { testGuest } from '../drivers/qemu/guest/build';

/** Builds the machine that the `qemu` driver calls `sluice-guest`, or finds the one that was built before. */
testGuest().then(
  (guest) => console.log(JSON.stringify(guest, undefined, 2)),
  (error: Error) => {
    console.error(error.message, error.cause ?? '');
    process.exitCode = 1;
  },
);
