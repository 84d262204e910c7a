import { SluiceError } from '../errors';
import type { VeeId } from '../ids';
import type { Wave } from './recompose-waves';

/** A VEE that would have to change can't: nothing is begun. */
export interface BlockedRecomposition {
  readonly kind: 'blocked';
  readonly blocks: readonly {
    readonly veeId: VeeId;
    readonly component: string;
    readonly index: number;
    readonly because: string;
  }[];
}

/**
 * So many VEEs may one re-composition change: it remembers the way back for each of them in a history of its own,
 * which the engine bounds.
 */
export const MOST_RECOMPOSED = 500;

/** More would change than one operation could take back. */
export interface ExcessiveRecomposition {
  readonly kind: 'excessive';
  readonly changes: number;
}

export function changesOf(waves: readonly Wave[]): number {
  return waves.reduce(
    (n, w) => n + Math.max(w.creates.length, w.destroys.length) + w.resizes.length + (w.move ? 1 : 0),
    0,
  );
}

/** Why a re-composition is not begun, for whoever asked for it. */
export function recompositionRefusal(refused: BlockedRecomposition | ExcessiveRecomposition): SluiceError {
  if (refused.kind === 'blocked') return new SluiceError('transition-illegal', describeBlocks(refused));
  return new SluiceError(
    'manifest-not-executed',
    `${refused.changes} VEEs would change, and one re-composition takes at most ${MOST_RECOMPOSED}. Scale the ` +
      'service down first and up again afterwards, or change one component at a time.',
  );
}

function describeBlocks({ blocks }: BlockedRecomposition): string {
  const told = blocks.slice(0, 5).map((b) => `${b.component}/${b.index} would change, but ${b.because}`);
  const more = blocks.length > told.length ? `, and ${blocks.length - told.length} more` : '';
  return `${told.join('; ')}${more}. Bring them back first.`;
}
