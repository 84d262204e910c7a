import { discoverSteps, discoverUndo, type Scenario, type Undo } from '../../operations/scenario';
import { SCENARIOS } from '../../operations/scenarios';
import { TestSite } from '../../support/site';
import { type BatchResult, type CellResult, runBatch } from './batch';
import { allCells, batchesOf, type Cell, cellName, type Discovered, splitCells, type Target } from './cells';

export interface Selection {
  /** Every cell, instead of the split that CI runs. */
  readonly all?: boolean;
  readonly operations?: readonly string[];
  readonly targets?: readonly Target[];
  /** Just these, together where they can be. */
  readonly cells?: readonly string[];
}

export interface MatrixOptions extends Selection {
  /** How many sites work on it side by side. */
  readonly sites?: number;
  readonly onPlan?: (cells: readonly Cell[], batches: number) => void;
  readonly onBatch?: (results: readonly CellResult[], millis: number) => void;
}

/** A site answers slower with each operation that it remembers. */
const MOST_BATCHES_A_SITE = 40;
/** Steps are found side by side where operations leave each other alone. */
const DISCOVERED_AT_ONCE = 4;

/** Engines are killed, so it has its own. What is held must not time out before everything is held. */
const startSite = (): Promise<TestSite> =>
  TestSite.start({
    ownEngines: true,
    environment: {
      SLUICE_ATTEMPT_MILLIS: '20000',
      SLUICE_GIVE_UP_MILLIS: '60000',
      SLUICE_UNDO_GIVE_UP_MILLIS: '60000',
    },
  });

/** Finds the steps, chooses the cells, runs them. @returns the results in the order of the cells */
export async function runMatrix(options: MatrixOptions): Promise<CellResult[]> {
  const first = await startSite();
  let discovered: Discovered[];
  try {
    discovered = await discoverAll(first, scenariosOf(options));
  } catch (error) {
    await first.stop();
    throw error;
  }
  const cells = select(discovered, options);
  const queue = batchesOf(cells);
  options.onPlan?.(cells, queue.length);
  const undos = new Map(discovered.map((d) => [d.scenario.name, d.undo]));
  const results = new Map<Cell, CellResult>();
  const work = async (site: TestSite | undefined): Promise<void> => {
    for await (const { of, millis } of inTurn(queue, undos, site)) {
      for (const result of of) results.set(result.cell, result);
      options.onBatch?.(of, millis);
    }
  };
  await Promise.all([
    work(first),
    ...Array.from({ length: Math.min(options.sites ?? 1, queue.length) - 1 }, () => work(undefined)),
  ]);
  return cells.flatMap((cell) => results.get(cell) ?? []);
}

/** The cells that would run. */
export async function listCells(selection: Selection): Promise<Cell[]> {
  const site = await startSite();
  try {
    return select(await discoverAll(site, scenariosOf(selection)), selection);
  } finally {
    await site.stop();
  }
}

/** Takes batches from the queue until it is empty, on one site after the other. */
async function* inTurn(
  queue: Cell[][],
  undos: ReadonlyMap<string, Undo | undefined>,
  given: TestSite | undefined,
): AsyncGenerator<{ of: readonly CellResult[]; millis: number }> {
  let site = given;
  let batches = 0;
  try {
    for (let batch = queue.shift(); batch; batch = queue.shift()) {
      site ??= await startSite();
      const began = Date.now();
      const { results, spoiled } = await attempt(site, batch, undos);
      yield { of: results, millis: Date.now() - began };
      if (!spoiled && ++batches < MOST_BATCHES_A_SITE) continue;
      await site.stop();
      site = undefined;
      batches = 0;
    }
  } finally {
    await site?.stop();
  }
}

/** What keeps a batch from running at all makes it red, and the run goes on. */
async function attempt(
  site: TestSite,
  batch: readonly Cell[],
  undos: ReadonlyMap<string, Undo | undefined>,
): Promise<BatchResult> {
  try {
    return await runBatch(site, batch, (cell) => undos.get(cell.scenario.name));
  } catch (error) {
    const fault = `the batch could not run: ${error instanceof Error ? error.message : error}`;
    return {
      results: batch.map((cell) => ({ cell, outcome: 'red', movedAfterMillis: undefined, fault })),
      spoiled: true,
    };
  }
}

function scenariosOf({ operations, cells }: Selection): readonly Scenario[] {
  const named = operations ?? cells?.map((name) => name.split(':')[0] as string);
  if (!named) return SCENARIOS;
  const unknown = named.filter((n) => !SCENARIOS.some((s) => s.name === n));
  if (unknown.length > 0)
    throw new Error(
      `No operation is called ${unknown.join(', ')}: there are ${SCENARIOS.map((s) => s.name).join(', ')}.`,
    );
  return SCENARIOS.filter((s) => named.includes(s.name));
}

async function discoverAll(site: TestSite, scenarios: readonly Scenario[]): Promise<Discovered[]> {
  const found = new Map<Scenario, Discovered>();
  const discover = async (scenario: Scenario | undefined): Promise<void> => {
    if (!scenario) return;
    const steps = await discoverSteps(site, scenario);
    if (scenario.alone) await site.clean();
    found.set(scenario, { scenario, steps, undo: await discoverUndo(site, scenario, steps) });
  };
  const together = scenarios.filter((s) => !s.alone);
  const lane = async () => {
    while (together.length > 0) await discover(together.shift());
  };
  await Promise.all(Array.from({ length: DISCOVERED_AT_ONCE }, lane));
  await site.clean();
  for (const scenario of scenarios.filter((s) => s.alone)) {
    await discover(scenario);
    await site.clean();
  }
  return scenarios.map((s) => found.get(s) as Discovered);
}

function select(discovered: readonly Discovered[], { all, cells, targets }: Selection): Cell[] {
  const every = discovered.flatMap((d) =>
    // The place in the whole list, so that a cell is in the split whichever operations were asked for.
    all || cells ? allCells(d) : splitCells(d, SCENARIOS.indexOf(d.scenario)),
  );
  const unknown = cells?.filter((name) => !every.some((c) => cellName(c) === name)) ?? [];
  if (unknown.length > 0) throw new Error(`No cell is called ${unknown.join(', ')}: see --all --list.`);
  return every.filter(
    (c) => (!targets || targets.includes(c.target)) && (!cells || cells.includes(cellName(c))),
  );
}
