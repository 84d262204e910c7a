import { Environment } from '@marcbachmann/cel-js';
import { DIMENSIONS } from '../units';
import type { SnapshotHost } from './model';
import type { RankedHost } from './policy';

/** What an expression may be about: a host as it is, and for a rank also what is on it. */
export type Wanted = 'requirement' | 'rank';

type Host = Pick<SnapshotHost, 'id' | 'zone' | 'driver' | 'labels' | 'capacity'>;
type Program = (context: { readonly host: unknown }) => unknown;

export const MOST_EXPRESSION_CHARACTERS = 500;
/**
 * A manifest comes from anybody, and its expressions are asked for each host and VEE: nothing in them may take long. So no loops
 * within loops over lists, and no regular expressions, which may backtrack for ever.
 */
const TOO_COSTLY = /\b(matches|map|filter|all|exists|exists_one|transformList|transformMap)\s*\(/;
const environment = new Environment({
  limits: { maxAstNodes: 200, maxDepth: 30, maxListElements: 100, maxMapEntries: 20, maxCallArguments: 8 },
}).registerVariable('host', 'map');

const TYPES: Readonly<Record<Wanted, readonly string[]>> = {
  requirement: ['bool', 'dyn'],
  rank: ['int', 'uint', 'double', 'dyn'],
};

/** What is wrong with an expression (CEL, https://cel.dev), wherever it is asked; undefined for a sound one. */
export function expressionFault(expression: string, wanted: Wanted): string | undefined {
  const costly = TOO_COSTLY.exec(expression);
  if (costly) return `${costly[1]}() can't be used here`;
  try {
    const { valid, type, error } = environment.parse(expression).check();
    if (!valid) return firstLine(error);
    if (TYPES[wanted].includes(String(type))) return undefined;
    return `it is of the type ${type}, and has to be ${wanted === 'rank' ? 'a number' : 'true or false'}`;
  } catch (error) {
    return firstLine(error);
  }
}

/** @returns undefined when the host has what is required, or why it has not */
export function unmetRequirement(expression: string, host: Host): string | undefined {
  try {
    const answer = programOf(expression)({ host: viewOf(host) });
    if (answer === true) return undefined;
    return answer === false ? `${expression} does not hold` : `${expression} is neither true nor false`;
  } catch (error) {
    return `${expression}: ${firstLine(error)}`;
  }
}

/** @returns higher is better; undefined where the expression has no number for a host, which then comes last */
export function rankOf(expression: string, host: RankedHost): number | undefined {
  try {
    const free = numbers((d) => host.capacity[d] - host.reserved[d]);
    const { onHost, inZone, inSite } = host.sameService;
    const sameService = { onHost: BigInt(onHost), inZone: BigInt(inZone), inSite: BigInt(inSite) };
    const answer = programOf(expression)({ host: { ...viewOf(host), free, sameService } });
    if (typeof answer !== 'number' && typeof answer !== 'bigint') return undefined;
    return Number.isFinite(Number(answer)) ? Number(answer) : undefined;
  } catch {
    // As for a label that some hosts lack.
    return undefined;
  }
}

const MOST_KEPT = 1_000;
const programs = new Map<string, Program>();

/** Parsed once: a plan asks it of each host for each VEE. */
function programOf(expression: string): Program {
  const known = programs.get(expression);
  if (known) return known;
  if (programs.size >= MOST_KEPT) programs.clear();
  const program = environment.parse(expression) as Program;
  programs.set(expression, program);
  return program;
}

function viewOf({ id, zone, driver, labels, capacity }: Host) {
  return { id, zone, driver, labels, capacity: numbers((d) => capacity[d]) };
}

/** Whole numbers in CEL are 64-bit integers, which JavaScript has as `bigint` only. */
function numbers(of: (dimension: (typeof DIMENSIONS)[number]) => number): Record<string, bigint> {
  return Object.fromEntries(DIMENSIONS.map((d) => [d, BigInt(Math.trunc(of(d)))]));
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
