import type { Placement, Problem } from './problem';
import { type Columns, decode, type Program, valuesOf } from './program';

/**
 * A program in the LP format that solvers with a command line read. One term a line, as some read no more than a thousand
 * characters of one.
 * @returns undefined for a row that nothing can satisfy, which the format has no words for
 */
export function lpFile({ columns, rows, cost, low, high, start, row, value }: Program): string | undefined {
  const terms: string[][] = Array.from({ length: rows }, () => []);
  for (let c = 0; c < columns; c++)
    for (let e = start[c] ?? 0; e < (start[c + 1] ?? 0); e++)
      terms[row[e] ?? 0]?.push(term(value[e] ?? 0, c));
  const lines = ['Minimize', 'obj:'];
  for (let c = 0; c < columns; c++) if (cost[c] !== 0) lines.push(term(cost[c] ?? 0, c));
  lines.push('Subject To');
  for (const [r, of] of terms.entries()) {
    const [from, to] = [low[r] ?? -Infinity, high[r] ?? Infinity];
    if (of.length === 0) {
      if (from > 0 || to < 0) return undefined;
      continue;
    }
    // Of rows there are two kinds: an exact sum, and one that has a most.
    lines.push(`r${r}:`, ...of, from === to ? `= ${to}` : `<= ${to}`);
  }
  lines.push('Binaries', ...Array.from({ length: columns }, (_, c) => `x${c}`), 'End', '');
  return lines.join('\n');
}

const term = (factor: number, column: number) => `${factor < 0 ? '-' : '+'} ${Math.abs(factor)} x${column}`;

/** What to begin with, as CBC reads it (`mipstart`). */
export function startFile(problem: Problem, columns: Columns, from: Placement): string {
  const { indices, values } = valuesOf(problem, columns, from);
  const lines = [...indices].map((column, n) => `${n} x${column} ${values[n] ?? 0} 0`);
  return ['Stopped - objective value 0', ...lines, ''].join('\n');
}

/** What CBC says of how far it came. */
export interface CbcAnswer {
  /** Not verified. */
  readonly placement?: Placement;
  /** No placement costs less, as it says. */
  readonly bound: number;
  /** It says that there is none. */
  readonly infeasible: boolean;
  /** The clock has ended it, rather than its tree or the number of its nodes. */
  readonly timedOut: boolean;
}

/**
 * @param solution the file that CBC writes: how it ended, and the columns that are not 0
 * @param said what it prints, which alone has the bound of a tree that did not come to its end
 * @throws Error when it is no such file
 */
export function readCbc(problem: Problem, columns: Columns, solution: string, said: string): CbcAnswer {
  const [head = '', ...lines] = solution.split('\n');
  const ended = /^(Optimal|Infeasible|Integer infeasible|Stopped on \w+)\b.* - objective value (\S+)/.exec(
    head,
  );
  if (!ended) throw new Error(`it ended with ${JSON.stringify(head.slice(0, 100))}`);
  const [, how = '', objective] = ended;
  if (/infeasible/i.test(how)) return { bound: Infinity, infeasible: true, timedOut: false };
  const values: number[] = [];
  for (const line of lines) {
    const column = /^\s*(?:\*\*)?\s*\d+ x(\d+)\s+(\S+)/.exec(line);
    if (column) values[Number(column[1])] = Number(column[2]);
  }
  const placement = decode(problem, columns, values);
  const lower = /^Lower bound:\s+(\S+)/m.exec(said)?.[1];
  const bound = Number(how === 'Optimal' ? objective : (lower ?? Number.NaN));
  return {
    // One that was ended before it had any writes what it had of its relaxation.
    ...(placement.every((host) => host >= 0) ? { placement } : {}),
    bound: Number.isFinite(bound) ? bound : -Infinity,
    infeasible: false,
    timedOut: how === 'Stopped on time',
  };
}
