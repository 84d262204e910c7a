import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const PERIOD_MILLIS = 100;
const STDERR = 2;

const { mostMillis } = workerData as { mostMillis: number };
let [wall, monotonic] = [Date.now(), performance.now()];

setInterval(() => {
  const [wallNow, monotonicNow] = [Date.now(), performance.now()];
  // By whichever clock saw more of it: while a machine is suspended one of the two stands still as well.
  const gapMillis = Math.round(Math.max(wallNow - wall, monotonicNow - monotonic) - PERIOD_MILLIS);
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
  // Not an orderly end: nothing that is under way in this process may get one step further.
  process.kill(process.pid, 'SIGKILL');
}, PERIOD_MILLIS);
