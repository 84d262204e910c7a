import { SluiceError } from '../errors';
import type { VeeId } from '../ids';
import { eventsOf, MOST_EVENTS, type Wave } from './recompose-waves';

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

/** One operation could not hold all of it and its way back: nothing is begun. */
export interface ExcessiveRecomposition {
  readonly kind: 'excessive';
  readonly changes: number;
  readonly events: number;
}

/** @returns nothing when one operation can hold all of these waves */
export function excessOf(waves: readonly Wave[]): ExcessiveRecomposition | undefined {
  const events = eventsOf(waves);
  if (events <= MOST_EVENTS) return undefined;
  const changes = waves.reduce(
    (n, w) => n + w.resizes.length + (w.move ? 1 : 0) + w.creates.length + w.destroys.length,
    0,
  );
  return { kind: 'excessive', changes, events };
}

/** Why a re-composition is not begun, for whoever asked for it. */
export function recompositionRefusal(refused: BlockedRecomposition | ExcessiveRecomposition): SluiceError {
  if (refused.kind === 'blocked') return new SluiceError('transition-illegal', describeBlocks(refused));
  return new SluiceError(
    'manifest-not-executed',
    `It makes ${refused.changes} changes, more than one operation can hold with their way back. Change fewer ` +
      'components at once, let more instances be missing or too many (update.maxUnavailable, update.maxSurge), ' +
      'or scale the service down first and up again afterwards.',
  );
}

function describeBlocks({ blocks }: BlockedRecomposition): string {
  const told = blocks.slice(0, 5).map((b) => `${b.component}/${b.index} would change, but ${b.because}`);
  const more = blocks.length > told.length ? `, and ${blocks.length - told.length} more` : '';
  return `${told.join('; ')}${more}. Bring them back first.`;
}
