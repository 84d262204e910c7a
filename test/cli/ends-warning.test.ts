import { warnIfNothingEnds } from '../../cli/ends-warning';
import { CliError, EXIT } from '../../cli/exit-codes';

/** What whoever sets an end is told, by what the API says of routines. */
async function told(get: () => Promise<unknown>): Promise<string> {
  const said = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  try {
    await warnIfNothingEnds({ get } as never);
    return said.mock.calls.flat().join('\n');
  } finally {
    said.mockRestore();
  }
}

const looking = (everyMillis: number, paused: boolean) => async () => ({
  items: [
    { name: 'rebalance', everyMillis: 0, paused: true },
    { name: 'leases', everyMillis, paused },
  ],
});

describe('who gives something an end', () => {
  it('is told when nobody would look for it', async () => {
    expect(await told(looking(0, false))).toContain('SLUICE_LEASES_MILLIS is 0');
    expect(await told(looking(10_000, true))).toContain('sluice routine resume leases');
  });

  it('is told nothing while somebody looks, or where it may not be known', async () => {
    expect(await told(looking(10_000, false))).toBe('');
    expect(await told(() => Promise.reject(new CliError('You may not.', EXIT.denied)))).toBe('');
  });
});
