import loadHighs from 'highs';
import type { Placement, Problem } from '../../domain/placement/optimize/problem';
import { decode, encode, valuesOf } from '../../domain/placement/optimize/program';

export interface ExactAnswer {
  /** The best that was found, not verified yet. */
  readonly placement?: Placement;
  /** No placement costs less. */
  readonly bound: number;
  /** It was proven that there is none. */
  readonly infeasible: boolean;
  /** The clock has ended it, rather than its tree or the number of its nodes. */
  readonly timedOut: boolean;
}

export interface ExactLimits {
  readonly millis: number;
  /** Of its tree: what ends it in the same place each time. */
  readonly nodes?: number;
}

/**
 * Solves a problem exactly, or as far as it comes, by HiGHS (WebAssembly). Blocks the thread that it runs in.
 * @param from a placement to begin with
 */
export async function solveByHighs(
  problem: Problem,
  { millis, nodes }: ExactLimits,
  from?: Placement,
): Promise<ExactAnswer> {
  const highs = await loadHighs();
  const { program, columns } = encode(problem);
  // Of a model without columns HiGHS says that it is empty, whatever its rows ask for.
  if (program.columns === 0 && problem.items > 0)
    return { bound: Infinity, infeasible: true, timedOut: false };
  const finite = (v: number) => (v === Infinity ? highs.infinity : v === -Infinity ? -highs.infinity : v);
  return highs.withModel(
    {
      numCols: program.columns,
      numRows: program.rows,
      colCost: program.cost,
      colLower: new Float64Array(program.columns),
      colUpper: new Float64Array(program.columns).fill(1),
      rowLower: program.low.map(finite),
      rowUpper: program.high.map(finite),
      matrix: {
        format: 'csc',
        numRows: program.rows,
        numCols: program.columns,
        starts: program.start,
        indices: program.row,
        values: program.value,
      },
      integrality: Array.from({ length: program.columns }, () => highs.constants.variableType.integer),
    },
    (model): ExactAnswer => {
      model.options.set({
        output_flag: false,
        time_limit: millis / 1_000,
        mip_rel_gap: 0,
        random_seed: 0,
        ...(nodes === undefined ? {} : { mip_max_nodes: nodes }),
      });
      if (from) model.setSolution(valuesOf(problem, columns, from));
      model.run();
      const status = model.getModelStatus();
      const found = model.info.get('primal_solution_status') === 2;
      const bound = Number(model.info.get('mip_dual_bound'));
      return {
        ...(found ? { placement: decode(problem, columns, model.getSolution().colValue) } : {}),
        bound: Number.isFinite(bound) ? bound : -Infinity,
        infeasible: status === highs.constants.modelStatus.infeasible,
        timedOut: status === highs.constants.modelStatus.timeLimit,
      };
    },
  );
}
