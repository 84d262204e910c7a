import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Counters } from '../../domain/measured';
import { cgroupLayout } from './runtime';

const CGROUPS = '/sys/fs/cgroup';
const BYTES_PER_MIB = 1_048_576;
/** What the kernel counts processor time in for programs, whatever it counts in itself: 100 a second. */
const MICROS_PER_TICK = 10_000;

/**
 * What the processes of a container have used, as its control groups tell; nothing where it has none, as before its start.
 * Pages that the kernel would give back at once, which files were read through, are left out.
 */
export async function containerUsage(cgroupPath: string): Promise<Counters | undefined> {
  const unified = cgroupLayout() === 'v2';
  const folder = (controller: string) => join(CGROUPS, unified ? '' : controller, cgroupPath);
  const [cpu, memory] = [folder('cpuacct'), folder('memory')];
  if (!existsSync(cpu) || !existsSync(memory)) return undefined;
  try {
    const [used, inUse, stat] = await Promise.all([
      readFile(join(cpu, unified ? 'cpu.stat' : 'cpuacct.usage'), 'utf8'),
      readFile(join(memory, unified ? 'memory.current' : 'memory.usage_in_bytes'), 'utf8'),
      readFile(join(memory, 'memory.stat'), 'utf8'),
    ]);
    const cpuMicros = unified ? fieldOf(used, 'usage_usec') : Number(used) / 1_000;
    const reclaimable = fieldOf(stat, unified ? 'inactive_file' : 'total_inactive_file');
    return { cpuMicros, memoryMiB: Math.max(0, Number(inUse) - reclaimable) / BYTES_PER_MIB };
  } catch (error) {
    // It has ended meanwhile.
    if (isMissing(error)) return undefined;
    throw error;
  }
}

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

const fieldOf = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '');
