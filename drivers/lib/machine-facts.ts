import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { BasicDimension, Capacity } from '../../domain/units';
import { BYTES_PER_MIB } from './machine-usage';

/** What a host keeps for itself, by dimension. */
export type Reserve = Readonly<Partial<Record<BasicDimension, number>>>;

/** As many bytes as a site takes of an attribute. */
const MOST_ATTRIBUTE_CHARACTERS = 200;
const BYTES_PER_BLOCK = 512;
/** What no driver measures: as much as networks usually have. */
const BANDWIDTH_KBPS = 1_000_000;
/** Of a processor's abilities those by which one would choose a host. */
const FLAGS = [
  'vmx',
  'svm',
  'aes',
  'sha_ni',
  'avx',
  'avx2',
  'avx512f',
  'amx_tile',
  'sev',
  'tdx_guest',
  'hypervisor',
];

/**
 * What this machine has for VEEs: all of it, without what is kept for itself. Their own files count as room, or a host
 * with VEEs would offer less each time that its agent begins.
 */
export async function foundCapacity(dataDir: string, reserve: Reserve = {}): Promise<Capacity> {
  const { bavail, bsize } = await statfs(dataDir);
  const ours = await bytesBelow(join(dataDir, 'vees'));
  return withoutReserve(
    {
      cpuMillis: cpus().length * 1_000,
      memoryMiB: Math.floor(totalmem() / BYTES_PER_MIB),
      diskMiB: Math.floor((bavail * bsize + ours) / BYTES_PER_MIB),
      bandwidthKbps: BANDWIDTH_KBPS,
    },
    reserve,
  );
}

export function withoutReserve(capacity: Capacity, reserve: Reserve): Capacity {
  const left = (dimension: BasicDimension) => Math.max(0, capacity[dimension] - (reserve[dimension] ?? 0));
  return {
    ...capacity,
    cpuMillis: left('cpuMillis'),
    memoryMiB: left('memoryMiB'),
    diskMiB: left('diskMiB'),
    bandwidthKbps: left('bandwidthKbps'),
  };
}

/** What it is, for those who choose hosts by hand or by rule. */
export async function machineAttributes(dataDir: string): Promise<Record<string, string>> {
  const [release, info, disk] = await Promise.all([
    readFile('/proc/sys/kernel/osrelease', 'utf8').catch(() => ''),
    readFile('/proc/cpuinfo', 'utf8').catch(() => ''),
    statfs(dataDir),
  ]);
  const flags = new Set((/^flags\s*:\s*(.*)$/m.exec(info)?.[1] ?? '').split(' '));
  const attributes = {
    'cpu.model': cpus()[0]?.model ?? '',
    'cpu.cores': String(cpus().length),
    'cpu.flags': FLAGS.filter((f) => flags.has(f)).join(' '),
    'memory.MiB': String(Math.floor(totalmem() / BYTES_PER_MIB)),
    'disk.MiB': String(Math.floor((disk.blocks * disk.bsize) / BYTES_PER_MIB)),
    'disk.freeMiB': String(Math.floor((disk.bavail * disk.bsize) / BYTES_PER_MIB)),
    kernel: release.trim(),
  };
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => [name, value.slice(0, MOST_ATTRIBUTE_CHARACTERS)]),
  );
}

/** What would be free without the files there. One that has another name elsewhere, as images have, would stay; one that goes meanwhile takes nothing. */
async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await bytesBelow(path);
    else if (entry.isFile()) {
      const { nlink, blocks } = (await stat(path).catch(() => undefined)) ?? { nlink: 0, blocks: 0 };
      if (nlink === 1) bytes += blocks * BYTES_PER_BLOCK;
    }
  }
  return bytes;
}
