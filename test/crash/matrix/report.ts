import { table } from '../../../cli/output';
import type { CellResult } from './batch';
import { type Cell, cellName, labelOf, TARGET_NAMES } from './cells';

export const isGreen = ({ fault }: CellResult): boolean => fault === undefined;

const rowOf = ({ scenario, undo, when, step, target }: Cell): string[] => [
  scenario.name,
  `${undo ? 'undo: ' : ''}${when} ${labelOf(step)}`,
  target,
];

/** Operation × step × what was killed, with the outcome and how soon the operation moved again. */
export function matrixTable(results: readonly CellResult[]): string {
  return table(
    ['operation', 'step', 'killed', 'outcome', 'millis'],
    results.map((r) => [...rowOf(r.cell), r.outcome, r.movedAfterMillis ?? '-']),
  );
}

export const cellsTable = (cells: readonly Cell[]): string =>
  table(
    ['operation', 'step', 'killed', 'cell'],
    cells.map((c) => [...rowOf(c), cellName(c)]),
  );

const percentile = (sorted: readonly number[], share: number): number | string =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? '-';

/** For each target how many cells, and the time from the kill to the operation's next step. */
export function summaryTable(results: readonly CellResult[]): string {
  const rows = [...TARGET_NAMES, 'all'].flatMap((target) => {
    const of = results.filter((r) => target === 'all' || r.cell.target === target);
    if (of.length === 0) return [];
    const millis = of.flatMap((r) => r.movedAfterMillis ?? []).sort((a, b) => a - b);
    const times = [0.5, 0.99, 1].map((share) => percentile(millis, share));
    return [[target, of.length, of.filter((r) => !isGreen(r)).length, ...times]];
  });
  return table(['killed', 'cells', 'red', 'p50 ms', 'p99 ms', 'most ms'], rows);
}

export function redCells(results: readonly CellResult[]): string[] {
  return results
    .filter((r) => !isGreen(r))
    .map((r) => `${cellName(r.cell)}\n  ${r.fault}\n  npm run test:crash -- --cell '${cellName(r.cell)}'`);
}

export function counts(results: readonly CellResult[], millis: number): string {
  const green = results.filter(isGreen);
  const ended = new Map<string, number>();
  for (const { outcome } of results) ended.set(outcome, (ended.get(outcome) ?? 0) + 1);
  const by = [...ended].map(([outcome, n]) => `${n} ${outcome}`).join(', ');
  const operations = new Set(results.map((r) => r.cell.scenario.name)).size;
  return `${results.length} cells of ${operations} operations, ${green.length} green, ${results.length - green.length} red (${by}) in ${Math.round(millis / 1_000)} s`;
}

export const asJson = (results: readonly CellResult[], millis: number) => ({
  cells: results.length,
  green: results.filter(isGreen).length,
  millis,
  results: results.map(({ cell, outcome, movedAfterMillis, fault }) => {
    const { scenario, undo, when, step, target } = cell;
    const { name: operation } = scenario;
    return {
      cell: cellName(cell),
      operation,
      undo,
      when,
      step: labelOf(step),
      killed: target,
      outcome,
      movedAfterMillis,
      fault,
    };
  }),
});
