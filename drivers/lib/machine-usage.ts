import { readFile } from 'node:fs/promises';
import type { Counters } from '../../domain/measured';

export const BYTES_PER_MIB = 1_048_576;
/** What the kernel counts processor time in for programs, whatever it counts in itself: 100 a second. */
const MICROS_PER_TICK = 10_000;
const BYTES_PER_PAGE = 4_096;

/** What everything on this machine has used, whoever it belongs to. */
export async function machineUsage(): Promise<Counters> {
  const [stat, memory] = await Promise.all([
    readFile('/proc/stat', 'utf8'),
    readFile('/proc/meminfo', 'utf8'),
  ]);
  return { cpuMicros: busyTicks(stat) * MICROS_PER_TICK, memoryMiB: usedKiB(memory) / 1_024 };
}

/** Of all processors (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal; guests count as user already. */
function busyTicks(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (stat.split('\n', 1)[0] ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return user + nice + system + irq + softirq + steal;
}

function usedKiB(memory: string): number {
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
  return of('MemTotal') - of('MemAvailable');
}

/** What one process has used, with all its threads; nothing where there is none. */
export async function processUsage(pid: number): Promise<Counters | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name, in parentheses, may hold spaces: fields are counted after its end (proc(5), from the third on).
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (!fields || fields[0] === 'Z') return undefined;
  const of = (number: number) => Number(fields[number - 3]);
  return {
    cpuMicros: (of(14) + of(15)) * MICROS_PER_TICK,
    memoryMiB: (of(24) * BYTES_PER_PAGE) / BYTES_PER_MIB,
  };
}
