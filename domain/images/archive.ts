/** One entry of an archive, as its header says. */
export interface ArchiveEntry {
  readonly path: string;
  readonly type: string;
  readonly linkPath?: string | undefined;
  readonly sizeBytes: number;
}

export interface ArchiveLimits {
  readonly entries: number;
  /** Unpacked. */
  readonly bytes: number;
}

const MIB = 1_048_576;
const MOST_ENTRIES = 500_000;
const MOST_BYTES = 32 * 1_024 * MIB;
/** No root file system shrinks to less than a hundredth; what claims to is made to fill disks. */
const MOST_RATIO = 100;
const SMALL_BYTES = 256 * MIB;

/** What an archive of that size may unpack to. */
export const archiveLimits = (sizeBytes: number): ArchiveLimits => ({
  entries: MOST_ENTRIES,
  bytes: Math.min(MOST_BYTES, Math.max(SMALL_BYTES, sizeBytes * MOST_RATIO)),
});

const BLOCK_BYTES = 4_096;
const ENTRY_BYTES = 1_024;
/** Of a path, as Linux has it. */
const MOST_PATH_CHARACTERS = 4_096;

const PLAIN = new Set(['File', 'OldFile', 'ContiguousFile', 'Directory', 'GNUDumpDir']);

/**
 * Why an entry must not be unpacked; undefined when it may. A link is resolved inside the root by what runs there, so it
 * may be absolute, but none may lead above it.
 */
export function entryRefusal({ path, type, linkPath = '' }: ArchiveEntry): string | undefined {
  const shown = JSON.stringify(path.slice(0, 100));
  if (path.length > MOST_PATH_CHARACTERS) return `${shown}… is longer than any path`;
  if (path.startsWith('/')) return `${shown} is an absolute path`;
  if (depthOf(path) < 0 || path.split('/').includes('..')) return `${shown} leads out of its folder`;
  if (path.includes('\0') || linkPath.includes('\0')) return `${shown} is no path`;
  if (type === 'SymbolicLink') {
    const parent = path.split('/').slice(0, -1).join('/');
    return linkPath.startsWith('/') || depthOf(`${parent}/${linkPath}`) >= 0
      ? undefined
      : `${shown} links out of its folder`;
  }
  if (type === 'Link')
    return linkPath.startsWith('/') || linkPath.split('/').includes('..')
      ? `${shown} links out of its folder`
      : undefined;
  return PLAIN.has(type) ? undefined : `${shown} is a ${type}, which an image must not have`;
}

/** How deep a path ends below where it begins; below 0 as soon as it has been above it. */
function depthOf(path: string): number {
  let depth = 0;
  for (const part of path.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return depth;
  }
  return depth;
}

/** Counts what comes out of an archive. */
export class ArchiveBounds {
  private readonly limits: ArchiveLimits;
  private entries = 0;
  private readonly links = new Set<string>();
  bytes = 0;
  /** What it takes of a disk: small files take whole blocks, and each something to be found by. */
  diskBytes = 0;

  constructor(limits: ArchiveLimits) {
    this.limits = limits;
  }

  /** Another archive comes, over what the last one has left. */
  begin(): void {
    this.links.clear();
  }

  /** @returns why no more may come; undefined while it may */
  take(entry: ArchiveEntry): string | undefined {
    this.entries++;
    this.bytes += entry.sizeBytes;
    this.diskBytes += Math.ceil(entry.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES + ENTRY_BYTES;
    if (this.entries > this.limits.entries) return `it has more than ${this.limits.entries} files`;
    if (this.bytes > this.limits.bytes) return `it unpacks to more than ${this.limits.bytes} bytes`;
    return entryRefusal(entry) ?? this.throughLink(entry);
  }

  /** What an archive writes through a link of its own no host unpacks: it might lead anywhere. */
  private throughLink({ path, type }: ArchiveEntry): string | undefined {
    const parts = path.split('/').filter((p) => p !== '' && p !== '.');
    const whole = parts.join('/');
    for (let n = 1; n < parts.length && this.links.size > 0; n++)
      if (this.links.has(parts.slice(0, n).join('/')))
        return `${JSON.stringify(path.slice(0, 100))} is behind a link of the same archive`;
    if (type === 'SymbolicLink') this.links.add(whole);
    else this.links.delete(whole);
    return undefined;
  }
}
