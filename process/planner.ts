import { join } from 'node:path';
import { Piscina } from 'piscina';
import { SluiceError } from '../domain/errors';
import type { BalancePlan, BalanceQuestion } from '../domain/rebalance/model';

/** A site of two thousand hosts takes some seconds. */
const DEADLINE_MILLIS = 60_000;
/** More that ask at once than so many are told to come back. */
const MOST_WAITING = 8;

/** Decides how to even a site out, and keeps nobody waiting who has other things to do in this process. */
export type Planner = (question: BalanceQuestion) => Promise<BalancePlan>;

/**
 * One thread for the whole process, begun when it is first needed and ended when it has been idle.
 * @throws SluiceError `unavailable` when too many ask at once, `conflict` when the answer takes too long
 */
export function plannerInThread(): Planner {
  const pool = new Piscina<BalanceQuestion, BalancePlan>({
    filename: join(__dirname, 'planner-thread.js'),
    minThreads: 0,
    maxThreads: 1,
    maxQueue: MOST_WAITING,
    idleTimeout: 10_000,
    resourceLimits: { maxOldGenerationSizeMb: 1_024 },
  });
  return async (question) => {
    if (pool.queueSize >= MOST_WAITING)
      throw new SluiceError('unavailable', 'Too many ask for a plan at once.');
    const deadline = AbortSignal.timeout(DEADLINE_MILLIS);
    try {
      return await pool.run(question, { signal: deadline });
    } catch (error) {
      if (!deadline.aborted) throw error;
      // Not to be tried again by itself: it would take as long.
      throw new SluiceError(
        'conflict',
        `No plan was found in ${DEADLINE_MILLIS / 1_000} s: ask for fewer moves.`,
      );
    }
  };
}
