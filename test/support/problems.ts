import fc from 'fast-check';
import {
  costOf,
  NOWHERE,
  type Placement,
  type Problem,
  type Rule,
} from '../../domain/placement/optimize/problem';
import { faultsOf } from '../../domain/placement/optimize/verify';

const DIMENSIONS = 2;

interface Sketch {
  readonly free: readonly number[];
  readonly zones: readonly number[];
  readonly needs: readonly number[];
  readonly start: readonly number[];
  readonly moveCost: readonly number[];
  /** How many VEEs an item is. */
  readonly moves: readonly number[];
  readonly openCost: readonly number[];
  readonly placeCost: readonly number[] | undefined;
  readonly closed: readonly (readonly [number, number])[];
  readonly rules: readonly {
    readonly kind: Rule['kind'];
    readonly byZone: boolean;
    readonly most: number;
    readonly items: readonly number[];
    readonly resident: readonly number[];
  }[];
  readonly mostMoves: number | undefined;
}

/** Small problems with every kind of rule, solvable or not, begun anywhere or nowhere. */
const USUAL_RULES: readonly Rule['kind'][] = ['together', 'at-most', 'one-colour'];

export const problems = ({ items = 5, hosts = 3, kinds = USUAL_RULES } = {}): fc.Arbitrary<Problem> => {
  const host = fc.nat({ max: hosts - 1 });
  const item = fc.nat({ max: items - 1 });
  const of = <T>(one: fc.Arbitrary<T>, length: number) =>
    fc.array(one, { minLength: length, maxLength: length });
  return fc
    .record<Sketch>({
      free: of(fc.integer({ min: -1, max: 20 }), hosts * DIMENSIONS),
      zones: of(fc.nat({ max: 1 }), hosts),
      needs: of(fc.integer({ min: 0, max: 6 }), items * DIMENSIONS),
      start: of(fc.oneof(host, fc.constant(NOWHERE)), items),
      moveCost: of(fc.integer({ min: 0, max: 3 }), items),
      moves: of(fc.constantFrom(1, 1, 1, 2), items),
      openCost: of(fc.constantFrom(0, 5, 10), hosts),
      placeCost: fc.option(of(fc.constantFrom(0, 0, 1, 2, 7), items * hosts), { nil: undefined, freq: 2 }),
      closed: fc.array(fc.tuple(item, host), { maxLength: 3 }),
      rules: fc.array(
        fc.record({
          kind: fc.constantFrom<Rule['kind']>(...kinds),
          byZone: fc.boolean(),
          most: fc.integer({ min: 1, max: 2 }),
          items: fc.uniqueArray(item, { minLength: 1, maxLength: items }),
          resident: of(fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1), 2 * hosts),
        }),
        { maxLength: 2 },
      ),
      mostMoves: fc.option(fc.integer({ min: 2, max: 4 }), { nil: undefined, freq: 2 }),
    })
    .map((sketch) => drawn(sketch, items, hosts));
};

const lastFirst = (many: number) => Int32Array.from({ length: many }, (_, i) => many - 1 - i);

function drawn(sketch: Sketch, items: number, hosts: number): Problem {
  const allowed = new Uint8Array(items * hosts).fill(1);
  for (const [item, host] of sketch.closed) allowed[item * hosts + host] = 0;
  return {
    ...{ items, hosts, dimensions: DIMENSIONS, allowed },
    need: Float64Array.from(sketch.needs),
    free: Float64Array.from(sketch.free),
    start: Int32Array.from(sketch.start),
    moveCost: Float64Array.from(sketch.moveCost),
    openCost: Float64Array.from(sketch.openCost),
    ...(sketch.placeCost
      ? { placeCost: { kinds: hosts, kindOf: lastFirst(hosts), of: Float64Array.from(sketch.placeCost) } }
      : {}),
    mostMoves: sketch.mostMoves ?? Infinity,
    moves: Int32Array.from(sketch.moves),
    rules: sketch.rules.map((rule): Rule => {
      const placeOf = rule.byZone ? sketch.zones : Array.from({ length: hosts }, (_, h) => h);
      const places = rule.byZone ? 2 : hosts;
      const colourCount = rule.kind === 'one-colour' ? 2 : 1;
      return {
        ...{ kind: rule.kind, most: rule.most, places, colourCount },
        // What comes as one can't be spread any better than that.
        ...(rule.kind === 'spread' ? { open: Int32Array.from(new Set(placeOf)), most: rule.most + 1 } : {}),
        items: Int32Array.from(rule.items),
        counts: Int32Array.from(rule.items, (item) => sketch.moves[item] ?? 1),
        colours: Int32Array.from(rule.items, (item) => item % colourCount),
        placeOf: Int32Array.from(placeOf),
        resident: Int32Array.from(rule.resident.slice(0, colourCount * places)),
      };
    }),
  };
}

/** The least that any placement costs, by trying them all; `Infinity` when there is none. */
export function leastByTrying(problem: Problem): number {
  const placement: Placement = new Int32Array(problem.items);
  let least = Infinity;
  const tryFrom = (item: number): void => {
    if (item === problem.items) {
      const cost = costOf(problem, placement);
      if (cost < least && faultsOf(problem, placement).length === 0) least = cost;
      return;
    }
    for (let host = 0; host < problem.hosts; host++) {
      placement[item] = host;
      tryFrom(item + 1);
    }
  };
  tryFrom(0);
  return least;
}
