import type { Logger } from './log';
import { UnusableEnvironment } from './settings';

/** Longer than any graceful end should take; after it the process ends anyhow. */
const STOP_DEADLINE_MILLIS = 15_000;
/** With the supervisor the engines are gone too, and nothing that waits for them will end. */
const ORPHAN_DEADLINE_MILLIS = 3_000;

/**
 * Ends a process once, in order, on SIGINT, SIGTERM, or when the supervisor that started it is gone: a child
 * whose parent was killed with SIGKILL notices by the closed channel and leaves no orphan.
 */
export function onStop(log: Logger, stop: () => Promise<void>): void {
  let stopping = false;
  const end = (why: string, deadlineMillis = STOP_DEADLINE_MILLIS) => {
    if (stopping) return;
    stopping = true;
    log.info({ why }, 'stopping');
    // Not `exit`, whose handlers may be what hangs.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), deadlineMillis).unref();
    stop().then(
      () => process.exit(0),
      (error) => {
        log.error({ err: error }, 'did not stop cleanly');
        process.exit(1);
      },
    );
  };
  process.once('SIGINT', () => end('SIGINT'));
  process.once('SIGTERM', () => end('SIGTERM'));
  if (process.channel)
    process.once('disconnect', () => end('the supervisor is gone', ORPHAN_DEADLINE_MILLIS));
}

/** Tells the supervisor that this process does its work from now on. */
export function reportReady(facts: Readonly<Record<string, unknown>> = {}): void {
  process.send?.({ ready: true, ...facts });
}

/** Runs a process's main function; a failure is logged with its cause and ends it, and the supervisor is told one for good. */
export function runMain(log: Logger, main: () => Promise<void>): void {
  main().catch((error) => {
    // Whoever started it by hand reads a sentence; with SLUICE_LOG_LEVEL=debug all of it, too.
    if (process.stdout.isTTY) console.error(`It cannot run: ${plainly(error)}`);
    if (!process.stdout.isTTY || log.isLevelEnabled('debug')) log.fatal({ err: error }, 'cannot run');
    const end = () => process.exit(1);
    if (process.send && error instanceof UnusableEnvironment)
      process.send({ unusable: error.message }, undefined, undefined, end);
    else end();
  });
}

/** A message with what caused it, as that often says more: a connection that is refused, say. */
function plainly(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : '';
  return cause && !error.message.includes(cause) ? `${error.message} (${cause})` : error.message;
}
