import type { ApiClient } from './client';
import { CliError } from './exit-codes';

interface Routine {
  readonly name: string;
  readonly everyMillis: number;
  readonly paused: boolean;
}

/**
 * Says on the standard error when nobody looks for what is due: an end that is set is then kept by nobody. Tenants are not told
 * how a site runs, and so hear nothing.
 */
export async function warnIfNothingEnds(client: ApiClient): Promise<void> {
  const why = await whyNothingEnds(client);
  if (why) console.error(`Note: nothing ends or begins by itself for now, as ${why}`);
}

async function whyNothingEnds(client: ApiClient): Promise<string | undefined> {
  try {
    const { items } = await client.get<{ readonly items: readonly Routine[] }>('/v1/routines');
    const looks = items.find((r) => r.name === 'leases');
    if (!looks) return undefined;
    if (looks.everyMillis === 0)
      return 'the site never looks for it: SLUICE_LEASES_MILLIS is 0. Set it to how often it should.';
    return looks.paused ? 'the routine "leases" is paused: sluice routine resume leases.' : undefined;
  } catch (error) {
    // A tenant's, or an API that knows of none: what was asked for goes on.
    if (error instanceof CliError) return undefined;
    throw error;
  }
}
