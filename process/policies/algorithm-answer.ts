import { z } from 'zod';
import { type Puzzle, type Reply, wrongIn } from './protocol';

/** What an algorithm has to export: docs/guides/write-an-algorithm.md. */
const algorithmSchema = z.strictObject({
  apiVersion: z.literal(1),
  kind: z.literal('algorithm'),
  does: z.string().min(1).max(80),
  solve: z.custom<(puzzle: unknown) => unknown>((f) => typeof f === 'function', 'has to be a function'),
});

/**
 * Asks an algorithm. Whether what it has found obeys every rule is looked at elsewhere.
 * @throws Error when it is none, or gives what is no placement by its very form
 */
export function solutionOf(exported: unknown, { problem, from, bound, millis }: Puzzle): Reply {
  const parsed = algorithmSchema.safeParse(exported);
  if (!parsed.success) throw new Error(wrongIn(parsed.error));
  const { does, solve } = parsed.data;
  const found = solve({ problem, from, bound, millis });
  if (found === undefined || found === null) return { kind: 'solved', does };
  const isList = Array.isArray(found) || (ArrayBuffer.isView(found) && !(found instanceof DataView));
  if (!isList) throw new Error(`it gave ${typeof found}, and has to give an array, or nothing`);
  const hosts = found as ArrayLike<unknown>;
  if (hosts.length !== problem.items)
    throw new Error(`it gave ${hosts.length} hosts, and there are ${problem.items} items`);
  const placement = Int32Array.from({ length: problem.items }, (_, item) => {
    const host = hosts[item];
    if (typeof host === 'number' && Number.isInteger(host) && host >= 0 && host < problem.hosts) return host;
    throw new Error(
      `its host of item ${item} is ${typeof host === 'number' ? host : typeof host}, which is none`,
    );
  });
  return { kind: 'solved', does, placement };
}
