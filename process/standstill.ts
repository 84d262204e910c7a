import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

/**
 * Ends this process as soon as it finds that it stood still for too long: its machine was suspended or moved, or it
 * was stopped. Its work has been given to others meanwhile, and going on with it as if nothing had happened does
 * harm; a new process begins with what is on record. Watched from a thread of its own: a main thread that computes
 * for long has not stood still.
 */
export function endAfterStandstill(mostMillis: number): void {
  const thread = new Worker(join(__dirname, 'standstill-thread.js'), { workerData: { mostMillis } });
  thread.unref();
}
