import { SluiceError } from '../../domain/errors';
import type { QmpClient } from './qmp';

const UNLIMITED_BYTES_PER_SECOND = 10 * 1_024 ** 3;

/** Any guest is still within so long: for a copy that nobody waits for. */
export const STILL = { 'max-bandwidth': UNLIMITED_BYTES_PER_SECOND, 'downtime-limit': 2_000_000 };
/** What users of a guest that moves may notice, in milliseconds. */
export const LIVE = { 'max-bandwidth': UNLIMITED_BYTES_PER_SECOND, 'downtime-limit': 300 };

/**
 * Waits until a migration comes to one of these states; to be called before it is begun, for it answers that it has
 * begun also when its connection is going to fail.
 * @param timeoutMillis undefined where somebody else sees to it that it does not stop halfway
 * @throws SluiceError `driver-failed` when it ends otherwise
 */
export async function migrationEvent(
  qmp: Pick<QmpClient, 'execute' | 'event'>,
  states: readonly string[],
  timeoutMillis: number | undefined,
): Promise<string> {
  const ends = [...states, 'failed', 'cancelled'];
  const seen = await qmp.event(
    ({ event, data }) => event === 'MIGRATION' && ends.includes(String(data.status)),
    timeoutMillis,
    'the end of the migration',
  );
  const status = String(seen.data.status);
  if (states.includes(status)) return status;
  const { 'error-desc': why } = await qmp
    .execute<{ 'error-desc'?: string }>('query-migrate')
    .catch(() => ({ 'error-desc': undefined }));
  throw new SluiceError('driver-failed', `The migration ${status}${why ? `: ${why}` : ''}.`);
}
