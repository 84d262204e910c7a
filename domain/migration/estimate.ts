import type { DriverCapabilities } from '../host';
import type { Capacity } from '../units';

/** What a site allows migrations: what a host's link carries, and what one migration needs of it to make headway. */
export interface MigrationBudget {
  /** Of each host, in either direction; kbit/s. */
  readonly linkKbps: number;
  /** No more run at once over a link than leave each so much. */
  readonly streamKbps: number;
}

export const DEFAULT_MIGRATION_BUDGET: MigrationBudget = { linkKbps: 1_000_000, streamKbps: 250_000 };

/**
 * `pre-copy` sends memory while the VEE runs, `stop-and-copy` stills it first: slower to notice, sooner done. `cold`
 * stops it and sends its disk.
 */
export type MigrationMode = 'pre-copy' | 'stop-and-copy' | 'cold';

export interface MigrationEstimate {
  readonly totalMillis: number;
  /** How long it does not run. */
  readonly stillMillis: number;
}

/** Share of what was sent that is written again meanwhile, where nobody has measured it. */
const DIRTY_SHARE = 0.25;
/** Preparing a target, switching over, recording it. */
const OVERHEAD_MILLIS = 300;

export function usualMode(migration: DriverCapabilities['migration']): MigrationMode {
  return migration === 'live' ? 'pre-copy' : 'cold';
}

/**
 * About how long moving a VEE of this size takes at this rate: all of its memory, all of its disk. No bound: a host or
 * a link with other work takes longer.
 */
export function estimateMigration(
  { memoryMiB, diskMiB }: Capacity,
  mode: MigrationMode,
  kbps: number,
  stopGraceMillis: number,
): MigrationEstimate {
  const millisFor = (mib: number) => Math.ceil((mib * 1_048_576 * 8) / kbps);
  switch (mode) {
    case 'pre-copy': {
      // Rounds of a geometric series; what the last one leaves is sent while the VEE stands still.
      const last = millisFor(memoryMiB * DIRTY_SHARE ** 2);
      return {
        totalMillis: Math.ceil(millisFor(memoryMiB) / (1 - DIRTY_SHARE)) + OVERHEAD_MILLIS,
        stillMillis: last + OVERHEAD_MILLIS,
      };
    }
    case 'stop-and-copy': {
      const all = millisFor(memoryMiB) + OVERHEAD_MILLIS;
      return { totalMillis: all, stillMillis: all };
    }
    case 'cold': {
      const all = stopGraceMillis + millisFor(diskMiB) + OVERHEAD_MILLIS;
      return { totalMillis: all, stillMillis: all };
    }
  }
}
