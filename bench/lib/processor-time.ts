import { readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second, on every architecture that Node runs on. */
const MILLIS_PER_TICK = 10;
/** Fields 14 and 15 of /proc/PID/stat (proc(5)), counted from the one after the program's name. */
const USER = 11;
const SYSTEM = 12;

/** Milliseconds of processor time, by process. */
export type ProcessorTime = Readonly<Record<string, number>>;

/** What processes have used so far. Unlike the clock it hardly depends on what else the machine does. */
export function processorTime(pids: Readonly<Record<string, number>>): ProcessorTime {
  return Object.fromEntries(
    Object.entries(pids).map(([name, pid]) => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // A program's name may have spaces in it.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [name, (Number(fields[USER]) + Number(fields[SYSTEM])) * MILLIS_PER_TICK];
    }),
  );
}

export const between = (before: ProcessorTime, after: ProcessorTime): ProcessorTime =>
  Object.fromEntries(Object.entries(after).map(([name, millis]) => [name, millis - (before[name] ?? 0)]));

export const total = (time: ProcessorTime): number =>
  Object.values(time).reduce((sum, millis) => sum + millis, 0);
