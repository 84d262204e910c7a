import { isIPv4 } from 'node:net';
import * as dns from 'dns-packet';
import type { Found } from '../../domain/network/name-tables';

/** Seconds for which an answer may be kept: VEEs come and go. */
const TTL_SECONDS = 5;
const MOST_OVER_UDP = 512;
/** What passes everywhere without being cut in two (RFC 9715). */
const MOST_OVER_EDNS = 1_232;
const MOST_OVER_TCP = 65_535;

/** RFC 1035, 4.1.1. Of all kinds of questions one is answered, a plain one. */
const OPCODE = 0x7800;
const NAME = /^(\.|[\w-]+(\.[\w-]+)*)$/;
const RCODE = { fine: 0, malformed: 1, unknown: 3, notImplemented: 4, refused: 5 } as const;

interface Ask {
  readonly over: 'udp' | 'tcp';
  /** Which of several addresses comes first: so who takes the first has another each time. */
  readonly turn: number;
  lookUp(name: string): Found;
}

/**
 * The answer to a message of DNS. Nobody else is asked: what is not known here is said not to be, at once.
 * @returns nothing to what is no question, or not to be read
 */
export function answerTo(message: Buffer, ask: Ask): Buffer | undefined {
  try {
    const query = dns.decode(message);
    return query.type === 'query' ? answered(query, ask) : undefined;
  } catch {
    return undefined;
  }
}

function answered(query: dns.DecodedPacket, { over, turn, lookUp }: Ask): Buffer {
  const { id = 0, flags = 0, questions = [], additionals = [] } = query;
  const edns = additionals.find((a) => a.type === 'OPT');
  // What is no plain name is not the same once it was read and written.
  const plain = questions.every((q) => NAME.test(q.name));
  const answer = (code: number, answers: dns.Answer[] = [], more = 0): Buffer =>
    dns.encode({
      ...{ type: 'response', id, questions: plain ? questions : [], answers },
      flags: (flags & dns.RECURSION_DESIRED) | dns.AUTHORITATIVE_ANSWER | more | code,
      ...(edns ? { additionals: [optOf()] } : {}),
    });
  const [question] = questions;
  if ((flags & OPCODE) !== 0) return answer(RCODE.notImplemented);
  if (!question || questions.length > 1 || !plain) return answer(RCODE.malformed);
  const { name, type } = question;
  if (question.class !== 'IN') return answer(RCODE.refused);
  const found = lookUp(name);
  if (found === 'unknown') return answer(RCODE.unknown);
  if (found === 'elsewhere') return answer(RCODE.refused);
  const of = found.filter((a) => (type === 'A' ? isIPv4(a) : type === 'AAAA' && !isIPv4(a)));
  const first = of.length > 0 ? turn % of.length : 0;
  const answers = [...of.slice(first), ...of.slice(0, first)].map(
    (data): dns.Answer => ({ name, type: isIPv4(data) ? 'A' : 'AAAA', class: 'IN', ttl: TTL_SECONDS, data }),
  );
  const whole = answer(RCODE.fine, answers);
  const most = over === 'tcp' ? MOST_OVER_TCP : mostOver(edns);
  // Whoever asked asks again by TCP then.
  return whole.length <= most ? whole : answer(RCODE.fine, [], dns.TRUNCATED_RESPONSE);
}

const optOf = (): dns.OptAnswer => ({
  ...{ type: 'OPT', name: '.', udpPayloadSize: MOST_OVER_EDNS, extendedRcode: 0, ednsVersion: 0 },
  ...{ flags: 0, flag_do: false, options: [] },
});

function mostOver(edns: dns.Answer | undefined): number {
  const asked = edns?.type === 'OPT' ? edns.udpPayloadSize : 0;
  return Math.min(MOST_OVER_EDNS, Math.max(MOST_OVER_UDP, asked));
}
