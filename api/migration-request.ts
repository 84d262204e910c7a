import { z } from 'zod';
import { SluiceError } from '../domain/errors';
import type { HostId } from '../domain/ids';
import type { Store } from '../store/store';

/** Of every request that migrates something. */
export const deadlineShape = {
  deadlineMillis: z
    .int()
    .min(1)
    .max(86_400_000)
    .optional()
    .describe('All must be over so many milliseconds after it begins; refused when that can’t be'),
  onDeadline: z
    .enum(['refuse', 'escalate'])
    .optional()
    .describe('What then: refuse, or still VEEs while they are sent, which is quicker'),
};

type Set<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what was not said. */
export const setOnly = <T extends object>(given: T): Set<T> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Set<T>;

/**
 * Hosts that a request names must be there: of one that is not nothing would move, which looks like success.
 * @throws SluiceError `not-found`
 */
export async function requireHosts(
  store: Store,
  named: Readonly<Partial<Record<'fromHost' | 'toHost', string | undefined>>>,
): Promise<void> {
  for (const [field, hostId] of Object.entries(named))
    if (hostId !== undefined && !(await store.hosts.get(hostId as HostId)))
      throw new SluiceError('not-found', `There is no host "${hostId}".`, { pointer: `/${field}` });
}
