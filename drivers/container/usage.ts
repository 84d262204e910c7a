import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Counters } from '../../domain/measured';
import { BYTES_PER_MIB } from '../lib/machine-usage';
import { cgroupLayout } from './runtime';

const CGROUPS = '/sys/fs/cgroup';

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

const fieldOf = (text: string, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '');
