import { NOWHERE, type Placement, type Problem, placeCostOf, type Rule } from './problem';

/** A 0/1 program, columns by column: minimise `cost · x` with `low ≤ A x ≤ high`. */
export interface Program {
  readonly columns: number;
  readonly rows: number;
  readonly cost: Float64Array;
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** The matrix by columns, as solvers take it: the entries of column c are from `start[c]` up to `start[c + 1]`. */
  readonly start: Int32Array;
  readonly row: Int32Array;
  readonly value: Float64Array;
}

/** Which column says that an item is on a host. */
export interface Columns {
  readonly ofPair: ReadonlyMap<number, number>;
  /** Which column says that a host is open. */
  readonly ofHost: ReadonlyMap<number, number>;
  readonly hostOf: readonly number[];
  readonly itemOf: readonly number[];
}

/** One column for each pair of an item and a host where it may be, and one for each host that may be opened. */
export function encode(problem: Problem): { readonly program: Program; readonly columns: Columns } {
  const { items, hosts, dimensions, need, free, allowed, openCost, moveCost, start, rules } = problem;
  const entries: { row: number; value: number }[][] = [];
  const cost: number[] = [];
  const low: number[] = [];
  const high: number[] = [];
  const row = (from: number, to: number) => {
    low.push(from);
    high.push(to);
    return low.length - 1;
  };
  const column = (price: number) => {
    cost.push(price);
    entries.push([]);
    return cost.length - 1;
  };
  const enter = (at: number, of: number, value: number) => entries[at]?.push({ row: of, value });

  const ofPair = new Map<number, number>();
  const ofHost = new Map<number, number>();
  const itemOf: number[] = [];
  const hostOf: number[] = [];
  for (let item = 0; item < items; item++)
    for (let host = 0; host < hosts; host++) {
      if (allowed[item * hosts + host] !== 1) continue;
      const tooLarge = Array.from({ length: dimensions }, (_, d) => d).some(
        (d) => (need[item * dimensions + d] ?? 0) > Math.max(0, free[host * dimensions + d] ?? 0),
      );
      if (tooLarge) continue;
      const there = placeCostOf(problem, item, host);
      const at = column(there + (start[item] === host ? 0 : (moveCost[item] ?? 0)));
      ofPair.set(item * hosts + host, at);
      itemOf[at] = item;
      hostOf[at] = host;
    }
  for (let item = 0; item < items; item++) {
    const once = row(1, 1);
    for (let host = 0; host < hosts; host++) {
      const at = ofPair.get(item * hosts + host);
      if (at !== undefined) enter(at, once, 1);
    }
  }
  for (let host = 0; host < hosts; host++) {
    const open = (openCost[host] ?? 0) > 0 ? column(openCost[host] ?? 0) : undefined;
    if (open !== undefined) ofHost.set(host, open);
    const here = Array.from({ length: items }, (_, item) => ({
      item,
      at: ofPair.get(item * hosts + host),
    })).filter((p): p is { item: number; at: number } => p.at !== undefined);
    for (let d = 0; d < dimensions; d++) {
      const room = free[host * dimensions + d] ?? 0;
      const using = here.filter(({ item }) => (need[item * dimensions + d] ?? 0) > 0);
      if (using.length === 0) continue;
      const most = row(-Infinity, open === undefined ? room : 0);
      for (const { item, at } of using) enter(at, most, need[item * dimensions + d] ?? 0);
      if (open !== undefined) enter(open, most, -room);
    }
    if (open === undefined) continue;
    // No capacity says of what needs nothing that its host is in use.
    const weightless = here.filter(({ item }) =>
      need.subarray(item * dimensions, (item + 1) * dimensions).every((n) => n === 0),
    );
    for (const { at } of weightless) {
      const below = row(-Infinity, 0);
      enter(at, below, 1);
      enter(open, below, -1);
    }
  }
  for (const rule of rules) encodeRule(rule, hosts, ofPair, { row, column, enter });
  if (problem.mostMoves < Infinity) {
    const moved = row(-Infinity, problem.mostMoves);
    for (const [pair, at] of ofPair) {
      const item = Math.floor(pair / hosts);
      if (start[item] !== pair % hosts) enter(at, moved, problem.moves[item] ?? 0);
    }
  }
  const starts = new Int32Array(cost.length + 1);
  for (const [c, of] of entries.entries()) starts[c + 1] = (starts[c] ?? 0) + of.length;
  const flat = entries.flat();
  return {
    program: {
      columns: cost.length,
      rows: low.length,
      cost: Float64Array.from(cost),
      low: Float64Array.from(low),
      high: Float64Array.from(high),
      start: starts,
      row: Int32Array.from(flat, (e) => e.row),
      value: Float64Array.from(flat, (e) => e.value),
    },
    columns: { ofPair, ofHost, hostOf, itemOf },
  };
}

interface Sheet {
  row(from: number, to: number): number;
  column(price: number): number;
  enter(column: number, row: number, value: number): void;
}

function encodeRule(
  rule: Rule,
  hosts: number,
  ofPair: Columns['ofPair'],
  { row, column, enter }: Sheet,
): void {
  /** The columns that put an item of the rule at a place. */
  const at: { column: number; count: number; colour: number }[][] = Array.from(
    { length: rule.places },
    () => [],
  );
  for (const [n, item] of rule.items.entries())
    for (let host = 0; host < hosts; host++) {
      const found = ofPair.get(item * hosts + host);
      if (found !== undefined)
        at[rule.placeOf[host] ?? 0]?.push({
          column: found,
          count: rule.counts[n] ?? 0,
          colour: rule.colours[n] ?? 0,
        });
    }
  const residents = (colour: number, place: number) => rule.resident[colour * rule.places + place] ?? 0;
  const colours = Array.from({ length: rule.colourCount }, (_, c) => c);
  const everywhere = rule.resident.reduce((a, b) => a + b, 0);
  const placeRow = rule.kind === 'together' ? row(-Infinity, 1) : 0;
  const newRow = rule.kind === 'few-places' ? row(-Infinity, rule.most) : 0;
  /** A column that is 1 where any of these is. */
  const anyOf = (columns: readonly { column: number }[]) => {
    const on = column(0);
    for (const { column: c } of columns) {
      const below = row(-Infinity, 0);
      enter(c, below, 1);
      enter(on, below, -1);
    }
    return on;
  };
  for (const [place, columns] of at.entries()) {
    if (columns.length === 0) continue;
    const there = colours.reduce((n, c) => n + residents(c, place), 0);
    switch (rule.kind) {
      case 'at-most': {
        const most = row(-Infinity, Math.max(0, rule.most - there));
        for (const { column: c, count } of columns) enter(c, most, count);
        break;
      }
      case 'one-colour': {
        // One switch for each colour at each place, of which one may be on.
        const one = row(-Infinity, 1);
        for (const colour of colours) {
          const of = columns.filter((c) => c.colour === colour);
          if (of.length === 0) continue;
          const others = there - residents(colour, place);
          const on = column(0);
          enter(on, one, 1);
          if (others > 0) enter(on, row(-Infinity, 0), 1);
          for (const { column: c } of of) {
            const below = row(-Infinity, 0);
            enter(c, below, 1);
            enter(on, below, -1);
          }
        }
        break;
      }
      case 'together': {
        const on = anyOf(columns);
        enter(on, placeRow, 1);
        if (everywhere - there > 0) enter(on, row(-Infinity, 0), 1);
        break;
      }
      case 'few-places':
        if (there === 0) enter(anyOf(columns), newRow, 1);
        break;
      case 'spread': {
        const on = anyOf(columns);
        // Where none goes to nothing is asked: so much more is never there.
        const slack = rule.counts.reduce((a, b) => a + b, 0) + there;
        for (const other of rule.open ?? []) {
          if (other === place) continue;
          const most = row(-Infinity, rule.most + slack - there + residents(0, other));
          enter(on, most, slack);
          for (const { column: c, count } of columns) enter(c, most, count);
          for (const { column: c, count } of at[other] ?? []) enter(c, most, -count);
        }
        break;
      }
    }
  }
}

/** What a solver's values say, without believing that they say it of each item exactly once. */
export function decode(problem: Problem, { hostOf, itemOf }: Columns, values: ArrayLike<number>): Placement {
  const placement = new Int32Array(problem.items).fill(NOWHERE);
  for (const [column, item] of itemOf.entries())
    if ((values[column] ?? 0) > 0.5) placement[item] = hostOf[column] ?? NOWHERE;
  return placement;
}

/** A placement as what columns have, to begin with: those of items and of hosts, which decide all others. */
export function valuesOf(
  problem: Problem,
  { ofPair, ofHost }: Columns,
  placement: Placement,
): { readonly indices: Int32Array; readonly values: Float64Array } {
  const open = new Set(placement);
  const indices: number[] = [];
  const values: number[] = [];
  for (const [pair, column] of ofPair) {
    indices.push(column);
    values.push(placement[Math.floor(pair / problem.hosts)] === pair % problem.hosts ? 1 : 0);
  }
  for (const [host, column] of ofHost) {
    indices.push(column);
    values.push(open.has(host) ? 1 : 0);
  }
  return { indices: Int32Array.from(indices), values: Float64Array.from(values) };
}
