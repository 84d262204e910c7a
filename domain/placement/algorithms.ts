import type { OperationId } from '../ids';
import { NOWHERE, type Problem } from './optimize/problem';

/** An algorithm of somebody else that is asked beside the solvers that are built in. */
export interface AlgorithmData {
  readonly name: string;
  /** Of its file: another one is another algorithm. */
  readonly sha256: string;
}

/** One that somebody has enabled for a site, as it is kept. */
export interface AlgorithmSetting extends Pick<AlgorithmData, 'sha256'> {
  /** What it does, as it says itself. */
  readonly does: string;
  /** Of the request, which may be repeated. */
  readonly requestedAs: OperationId;
  readonly since: number;
  readonly setBy: string;
  /** Set when the site gave it up by itself, and how it broke. */
  readonly switchedOut?: { readonly because: string; readonly at: number };
}

export type AlgorithmSettings = Readonly<Record<string, AlgorithmSetting>>;

/** One that broke while it was asked. */
export interface BrokenAlgorithm extends AlgorithmData {
  readonly because: string;
}

/** Those that are asked, in the same order each time. */
export function algorithmsIn(settings: AlgorithmSettings): AlgorithmData[] {
  return Object.entries(settings)
    .filter(([, setting]) => !setting.switchedOut)
    .map(([name, { sha256 }]) => ({ name, sha256 }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What solvers are called that are none of ours, so that none can pass for one. */
export const solverOf = ({ name }: Pick<AlgorithmData, 'name'>): string => `algorithm ${name}`;

/** Kinds of rules that those of others have not been told of: what has one is put to ours only. */
const OURS_ONLY: readonly string[] = ['spread', 'few-places'];

export const isForOthers = ({ rules }: Pick<Problem, 'rules'>): boolean =>
  rules.every((r) => !OURS_ONLY.includes(r.kind));

/** The same with everything still without a host: what is asked where room is looked for. */
export const unplacedTrial = (problem: Problem): Problem => ({
  ...problem,
  start: new Int32Array(problem.items).fill(NOWHERE),
});

/**
 * What an algorithm is tried on before it is believed: six items on four hosts, two of them apart, of which two hosts are enough.
 */
export function trialProblem(): Problem {
  const [items, hosts, dimensions] = [6, 4, 2];
  return {
    ...{ items, hosts, dimensions },
    need: Float64Array.from({ length: items * dimensions }, () => 300),
    free: new Float64Array(hosts * dimensions).fill(1_000),
    start: Int32Array.from({ length: items }, (_, item) => item % hosts),
    moves: new Int32Array(items).fill(1),
    moveCost: new Float64Array(items).fill(1),
    openCost: new Float64Array(hosts).fill(25),
    allowed: new Uint8Array(items * hosts).fill(1),
    rules: [
      {
        ...{ kind: 'at-most', most: 1, colourCount: 1, places: hosts },
        items: Int32Array.of(0, 1),
        counts: Int32Array.of(1, 1),
        colours: Int32Array.of(0, 0),
        placeOf: Int32Array.from({ length: hosts }, (_, host) => host),
        resident: new Int32Array(hosts),
      },
    ],
    mostMoves: Number.POSITIVE_INFINITY,
  };
}
