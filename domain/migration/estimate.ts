import type { DriverCapabilities } from '../host';
import type { Capacity } from '../units';

/** What a site allows migrations: what a host's link carries, and what one migration needs of it to make headway. */
export interface MigrationBudget {
  /** Of each host, in either direction; kbit/s. */
  readonly linkKbps: number;
  /** No more run at once over a link than leave each so much. */
  readonly streamKbps: number;
  /** One migration takes no more of a link than this; absent where it may take all. */
  readonly mostKbps?: number;
  /** At which rate a VEE writes its memory anew, kbit/s; absent where nobody has measured it. */
  readonly dirtyKbps?: number;
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
  /** What is sent in all: memory more than once where it is written meanwhile. */
  readonly sentMiB: number;
  /** Absent unless memory is written faster than it is sent: then it is stilled before nearly all of it is there. */
  readonly diverges?: true;
}

/** Share of what was sent that is written again meanwhile, where nobody has measured it. */
const DIRTY_SHARE = 0.25;
/** Rounds go on until what is left is sent in so long (QEMU's usual `downtime-limit`), and no more than so many of them. */
const MOST_STILL_MILLIS = 300;
const MOST_ROUNDS = 30;
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
  dirtyKbps?: number,
): MigrationEstimate {
  const millisFor = (mib: number) => Math.ceil((mib * 1_048_576 * 8) / kbps);
  switch (mode) {
    case 'pre-copy': {
      if (dirtyKbps !== undefined) return inRounds(memoryMiB, kbps, dirtyKbps);
      // Rounds of a geometric series; what the last one leaves is sent while the VEE stands still.
      const last = millisFor(memoryMiB * DIRTY_SHARE ** 2);
      return {
        totalMillis: Math.ceil(millisFor(memoryMiB) / (1 - DIRTY_SHARE)) + OVERHEAD_MILLIS,
        stillMillis: last + OVERHEAD_MILLIS,
        sentMiB: memoryMiB / (1 - DIRTY_SHARE),
      };
    }
    case 'stop-and-copy': {
      const all = millisFor(memoryMiB) + OVERHEAD_MILLIS;
      return { totalMillis: all, stillMillis: all, sentMiB: memoryMiB };
    }
    case 'cold': {
      const all = stopGraceMillis + millisFor(diskMiB) + OVERHEAD_MILLIS;
      return { totalMillis: all, stillMillis: all, sentMiB: diskMiB };
    }
  }
}

/**
 * Pre-copy at a known rate of writing (Clark et al., NSDI 2005): each round sends what was written during the one before it,
 * until so little is left that the VEE may stand still for it. At the rate of the link or above rounds don't get smaller:
 * after the first the VEE is stilled, and what it had written by then is sent.
 */
function inRounds(memoryMiB: number, kbps: number, dirtyKbps: number): MigrationEstimate {
  const millisOf = (mib: number) => (mib * 1_048_576 * 8) / kbps;
  const ratio = Math.min(1, dirtyKbps / kbps);
  const diverges = ratio >= 1;
  let [left, sentMiB] = [memoryMiB, 0];
  for (let round = 0; round < (diverges ? 1 : MOST_ROUNDS); round++) {
    sentMiB += left;
    left *= ratio;
    if (millisOf(left) <= MOST_STILL_MILLIS) break;
  }
  return {
    totalMillis: Math.ceil(millisOf(sentMiB + left)) + OVERHEAD_MILLIS,
    stillMillis: Math.ceil(millisOf(left)) + OVERHEAD_MILLIS,
    sentMiB: sentMiB + left,
    ...(diverges ? { diverges } : {}),
  };
}
