import type { ErrorSummary } from '../../domain/errors';
import { summarise } from './failure';
import type { Operation } from './operation';
import type { Steps } from './saga';

/**
 * Runs a part of an operation that may fail alone: what it had done is then taken back, and the rest goes on. When
 * it succeeds it still goes back with the whole.
 * @returns why it failed; a cancel or an abort is the whole operation's and is thrown
 */
export async function attempt(
  operation: Operation,
  name: string,
  body: (part: Steps) => Promise<void>,
): Promise<ErrorSummary | undefined> {
  try {
    await operation.part(async (part) => {
      operation.onUndo(name, () => part.goBack());
      await body(part);
    });
    return undefined;
  } catch (error) {
    if (operation.isEnding(error)) throw error;
    return summarise(error);
  }
}
