import process from 'node:process';

const PERIOD_MILLIS = 1_000;

const parent = process.ppid;

/** Ends this process, whatever its main thread is busy with, once the one that began it is gone. */
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, PERIOD_MILLIS);
