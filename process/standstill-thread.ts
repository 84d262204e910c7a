import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const PERIOD_MILLIS = 100;
/** Corrections of a clock are smaller. */
const SUSPENDED_MILLIS = 10_000;
const STDERR = 2;

const { mostMillis } = workerData as { mostMillis: number };
let [wall, monotonic] = [Date.now(), performance.now()];

setInterval(() => {
  const [wallNow, monotonicNow] = [Date.now(), performance.now()];
  // While a machine is suspended the monotonic clock stands still as well. The other may be set, which is no standstill.
  const slept = wallNow - wall - PERIOD_MILLIS;
  const gapMillis = Math.round(
    Math.max(monotonicNow - monotonic - PERIOD_MILLIS, slept > SUSPENDED_MILLIS ? slept : 0),
  );
  [wall, monotonic] = [wallNow, monotonicNow];
  if (gapMillis <= mostMillis) return;
  const entry = {
    level: 50,
    time: wallNow,
    pid: process.pid,
    gapMillis,
    msg: 'stood still for too long: ends',
  };
  writeSync(STDERR, `${JSON.stringify(entry)}\n`);
  // Not an orderly end: nothing that is under way in this process should get one step further.
  process.kill(process.pid, 'SIGKILL');
}, PERIOD_MILLIS);
