import type { NamedNetwork } from '../domain/network/names';
import type { NameSource } from '../drivers/network/config';
import type { Logger } from '../process/log';

const ANSWER_MILLIS = 5_000;
/** So long one answer is good for all hosts of an agent. */
const FRESH_MILLIS = 300;
/** What fails each time is not worth more lines than that. */
const MILLIS_BETWEEN_COMPLAINTS = 60_000;

/** What VEEs are called on the networks of an agent's hosts, asked of the API under its own token. */
export function nameSource(apiUrl: string, token: () => string, log: Logger): NameSource {
  let last: { readonly at: number; readonly answer: ReturnType<typeof ask> } | undefined;
  let complainedAt = Number.NEGATIVE_INFINITY;

  async function ask(): Promise<readonly NamedNetwork[] | undefined> {
    // Nobody's before it has joined.
    if (token() === '') return undefined;
    try {
      const response = await fetch(new URL('/v1/agents/names', apiUrl), {
        headers: { authorization: `Bearer ${token()}` },
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWER_MILLIS),
      });
      if (!response.ok) {
        await response.body?.cancel();
        return undefined;
      }
      const { networks } = (await response.json()) as { readonly networks: readonly NamedNetwork[] };
      // An earlier release says nothing of where they are.
      return networks.filter((n) => n.ipv4 !== undefined || n.ipv6 !== undefined);
    } catch (error) {
      log.debug({ err: error }, 'the API did not say what names there are');
      return undefined;
    }
  }

  return {
    read() {
      if (!last || performance.now() - last.at > FRESH_MILLIS)
        last = { at: performance.now(), answer: ask() };
      return last.answer;
    },
    failed(error) {
      if (performance.now() - complainedAt < MILLIS_BETWEEN_COMPLAINTS) return;
      complainedAt = performance.now();
      log.warn({ err: error }, 'names on this host’s networks are not answered for; it is tried again');
    },
  };
}
