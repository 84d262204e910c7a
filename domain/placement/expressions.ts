import { Environment } from '@marcbachmann/cel-js';
import { DIMENSIONS } from '../units';
import type { SnapshotHost } from './model';
import type { RankedHost } from './policy';

/** What an expression is for. A rank also knows how many others of the service are on a host, in its zone and in the site. */
export type Wanted = 'requirement' | 'rank';

type Host = Pick<SnapshotHost, 'id' | 'zone' | 'driver' | 'labels' | 'capacity'>;
type Program = (context: { readonly host: unknown }) => unknown;

export const MOST_EXPRESSION_CHARACTERS = 500;

const limits = {
  ...{ maxAstNodes: 200, maxDepth: 30, maxListElements: 100, maxMapEntries: 20, maxCallArguments: 8 },
};
const capacity = {
  ...Object.fromEntries(DIMENSIONS.map((d) => [d, 'int'])),
  devices: 'map<string, int>',
};
/**
 * What a host shows. Nothing of what is free or used: whoever may write an expression could ask by it, place by place, what
 * others have on a host.
 */
const schema = { id: 'string', zone: 'string', driver: 'string', labels: 'map<string, string>', capacity };
const sameService = { onHost: 'int', inZone: 'int', inSite: 'int' };
const environments: Readonly<Record<Wanted, Environment>> = {
  requirement: new Environment({ limits }).registerVariable({ name: 'host', schema }),
  rank: new Environment({ limits }).registerVariable({ name: 'host', schema: { ...schema, sameService } }),
};

const TYPES: Readonly<Record<Wanted, readonly string[]>> = {
  requirement: ['bool'],
  rank: ['int', 'uint', 'double'],
};

/**
 * A manifest comes from anybody, and its expressions are asked for each host and VEE, in a process that has other things to do.
 * So only what takes no longer than it is long: no loops, no names for parts, no regular expressions, which may backtrack for ever.
 */
const OPERATORS = new Set(
  [
    'id',
    'value',
    'list',
    '.',
    '[]',
    '?:',
    'in',
    '&&',
    '||',
    '!_',
    '-_',
    '==',
    '!=',
    '<',
    '<=',
    '>',
    '>=',
  ].concat(['+', '-', '*', '/', '%']),
);
const FUNCTIONS = new Set(['has', 'size', 'int', 'double']);
const METHODS = new Set(['startsWith', 'endsWith', 'contains', 'size']);

interface Node {
  readonly op: string;
  readonly args: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).op === 'string';

/** The first part of an expression that is not among those that may be used. */
function forbidden({ op, args }: Node): string | undefined {
  const name = op === 'call' || op === 'rcall' ? String((args as unknown[])[0]) : undefined;
  const allowed =
    op === 'call' ? FUNCTIONS.has(name ?? '') : op === 'rcall' ? METHODS.has(name ?? '') : OPERATORS.has(op);
  if (!allowed) return name === undefined ? `the operator ${op}` : `${name}()`;
  for (const part of [args].flat(2)) {
    const found = isNode(part) ? forbidden(part) : undefined;
    if (found) return found;
  }
  return undefined;
}

/** What is wrong with an expression (CEL, https://cel.dev), wherever it is asked; undefined for a sound one. */
export function expressionFault(expression: string, wanted: Wanted): string | undefined {
  try {
    const parsed = environments[wanted].parse(expression);
    const costly = isNode(parsed.ast) ? forbidden(parsed.ast) : 'it';
    if (costly) return `${costly} can't be used here`;
    const { valid, type, error } = parsed.check();
    if (!valid) return firstLine(error);
    if (TYPES[wanted].includes(String(type))) return undefined;
    return `it is of the type ${type}, and has to be ${wanted === 'rank' ? 'a number' : 'true or false'}`;
  } catch (error) {
    return firstLine(error);
  }
}

/** By host, as it is in one snapshot: a plan asks the same of it for each VEE. */
const known = new WeakMap<Host, Map<string, string | undefined>>();

/** @returns undefined when the host has what is required, or why it has not */
export function unmetRequirement(expression: string, host: Host): string | undefined {
  const answers = known.get(host) ?? new Map<string, string | undefined>();
  known.set(host, answers);
  if (!answers.has(expression)) answers.set(expression, ask(expression, host));
  return answers.get(expression);
}

function ask(expression: string, host: Host): string | undefined {
  try {
    return programOf(expression, 'requirement')({ host: viewOf(host) }) === true
      ? undefined
      : 'it does not hold';
  } catch {
    // The message would have values in it, which are not for everybody: a label is missing, most often.
    return 'it fails there, as for a label that is missing';
  }
}

/** @returns higher is better; undefined where the expression has no number for a host, which then comes last */
export function rankOf(expression: string, host: RankedHost): number | undefined {
  try {
    const { onHost, inZone, inSite } = host.sameService;
    const others = { onHost: BigInt(onHost), inZone: BigInt(inZone), inSite: BigInt(inSite) };
    const answer = programOf(expression, 'rank')({ host: { ...viewOf(host), sameService: others } });
    return Number.isFinite(Number(answer)) ? Number(answer) : undefined;
  } catch {
    // As for a label that is missing.
    return undefined;
  }
}

const MOST_KEPT = 1_000;
const programs = new Map<string, Program>();

/** Parsed once. One that is not sound has no answer anywhere. @throws whatever is wrong with it */
function programOf(expression: string, wanted: Wanted): Program {
  const key = `${wanted} ${expression}`;
  const parsed = programs.get(key);
  if (parsed) return parsed;
  const fault = expressionFault(expression, wanted);
  if (fault) throw new SyntaxError(fault);
  if (programs.size >= MOST_KEPT) programs.clear();
  const program = environments[wanted].parse(expression) as Program;
  programs.set(key, program);
  return program;
}

/** Whole numbers in CEL are 64-bit integers, which JavaScript has as `bigint` only. */
function viewOf({ id, zone, driver, labels, capacity: of }: Host) {
  const amounts = Object.fromEntries(DIMENSIONS.map((d) => [d, BigInt(Math.trunc(of[d]))]));
  const devices = Object.entries(of.devices ?? {}).map(([name, many]) => [name, BigInt(many)]);
  const capacity = { ...amounts, devices: Object.fromEntries(devices) };
  return { id, zone, driver, labels, capacity };
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
