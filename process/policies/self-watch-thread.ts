import process from 'node:process';
import { workerData } from 'node:worker_threads';
import { MOST_MEMORY_MIB } from './protocol';

const PERIOD_MILLIS = 250;
/** The one who asks looks as well, sooner, and can say why: this is for when that one is gone. */
const GRACE_MILLIS = 2_000;
const GRACE = 1.25;

/** What it may work while nobody asks: half of a processor, for a while. */
const IDLE_SHARE = 0.5;
const IDLE_PERIODS = 40;

const { due } = workerData as { due: Float64Array };
const parent = process.ppid;
let used = 0;
let busyPeriods = 0;

/** Ends the process of a plug-in, whatever that is busy with, when nobody asks any more or it takes too much. */
setInterval(() => {
  const late = (due[0] ?? 0) > 0 && Date.now() > (due[0] ?? 0) + GRACE_MILLIS;
  const large = process.memoryUsage.rss() > GRACE * MOST_MEMORY_MIB * 1_048_576;
  const { user, system } = process.cpuUsage();
  const share = (user + system - used) / (PERIOD_MILLIS * 1_000);
  used = user + system;
  busyPeriods = due[0] === 0 && share > IDLE_SHARE ? busyPeriods + 1 : 0;
  if (process.ppid !== parent || late || large || busyPeriods > IDLE_PERIODS)
    process.kill(process.pid, 'SIGKILL');
}, PERIOD_MILLIS);
