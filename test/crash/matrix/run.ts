import { groupBy } from '../../../domain/group-by';
import { inChunks } from '../../../domain/in-chunks';
import { discoverSteps, discoverUndo, type Scenario, type Undo } from '../../operations/scenario';
import { MATRIX_BATCH_SIZE, SCENARIOS } from '../../operations/scenarios';
import { TestSite } from '../../support/site';
import { type BatchResult, type CellResult, runBatch } from './batch';
import {
  allCells,
  batchesOf,
  type Cell,
  cellName,
  type Discovered,
  sampleOf,
  splitCells,
  type Target,
} from './cells';
import type { MatrixRecord } from './record';

export interface Selection {
  /** Every cell, instead of the split that CI runs. */
  readonly all?: boolean;
  readonly operations?: readonly string[];
  /** Of these (or all) operations every n-th, from the first on. */
  readonly every?: number;
  readonly targets?: readonly Target[];
  /** Just these, together where they can be. */
  readonly cells?: readonly string[];
}

export interface MatrixOptions extends Selection {
  /** How many sites work on it side by side. */
  readonly sites?: number;
  /** What it holds is not run again, and what runs is added to it. */
  readonly record?: MatrixRecord;
  /** @param recorded how many of the cells were found in the record */
  readonly onPlan?: (cells: readonly Cell[], batches: number, recorded: number) => void;
  readonly onBatch?: (results: readonly CellResult[], millis: number) => void;
}

/** A site answers slower with each operation that it remembers. */
const MOST_BATCHES_A_SITE = 40;
/** Steps are found side by side where operations leave each other alone. */
const DISCOVERED_AT_ONCE = 4;

/** Engines are killed, so it has its own. What is held must not time out before everything is held. */
const startSite = ({ agents, environment }: SiteOf = {}): Promise<TestSite> =>
  TestSite.start({
    ownEngines: true,
    ...(agents ? { agents } : {}),
    environment: {
      SLUICE_ATTEMPT_MILLIS: '20000',
      SLUICE_GIVE_UP_MILLIS: '60000',
      SLUICE_UNDO_GIVE_UP_MILLIS: '60000',
      SLUICE_BATCH_SIZE: String(MATRIX_BATCH_SIZE),
      ...environment,
    },
  });
type SiteOf = NonNullable<Scenario['site']>;

/** Finds the steps, chooses the cells, runs them. @returns the results in the order of the cells */
export async function runMatrix(options: MatrixOptions): Promise<CellResult[]> {
  const { discovered, first } = await discover(scenariosOf(options));
  const cells = select(discovered, options);
  const results = new Map<Cell, CellResult>();
  for (const cell of cells) {
    const recorded = options.record?.find(cell);
    if (recorded) results.set(cell, recorded);
  }
  const queue = batchesOf(cells.filter((cell) => !results.has(cell)));
  options.onPlan?.(cells, queue.length, results.size);
  const undos = new Map(discovered.map((d) => [d.scenario.name, d.undo]));
  const work = async (open: OpenSite | undefined): Promise<void> => {
    for await (const { of, millis } of inTurn(queue, undos, open)) {
      for (const result of of) results.set(result.cell, result);
      options.record?.add(of);
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
  const { discovered, first } = await discover(scenariosOf(selection));
  await first?.site.stop();
  return select(discovered, selection);
}

interface OpenSite {
  readonly site: TestSite;
  readonly of: SiteOf | undefined;
}

const open = async (of: SiteOf | undefined): Promise<OpenSite> => ({ site: await startSite(of), of });

/** On a site of each sort that they take. @returns the first of these, which can go on being used */
async function discover(
  scenarios: readonly Scenario[],
): Promise<{ discovered: Discovered[]; first: OpenSite | undefined }> {
  const discovered: Discovered[] = [];
  let first: OpenSite | undefined;
  for (const [of, some] of groupBy(scenarios, (s) => s.site)) {
    const opened = await open(of);
    try {
      discovered.push(...(await discoverAll(opened.site, some)));
    } catch (error) {
      await opened.site.stop();
      await first?.site.stop();
      throw error;
    }
    if (first) await opened.site.stop();
    else first = opened;
  }
  return { discovered, first };
}

/**
 * Takes batches from the queue until it is empty, on one site after the other. Cells that this machine was too slow for are
 * tried again, half as many at once; alone, they count as they are.
 */
async function* inTurn(
  queue: Cell[][],
  undos: ReadonlyMap<string, Undo | undefined>,
  given: OpenSite | undefined,
): AsyncGenerator<{ of: readonly CellResult[]; millis: number }> {
  let opened = given;
  let batches = 0;
  const close = async () => {
    await opened?.site.stop();
    opened = undefined;
    batches = 0;
  };
  try {
    for (let batch = queue.shift(); batch; batch = queue.shift()) {
      const siteOf = batch[0]?.scenario.site;
      if (opened && opened.of !== siteOf) await close();
      opened ??= await open(siteOf);
      const began = Date.now();
      const { results, spoiled, late } = await attempt(opened.site, batch, undos);
      const again = batch.length > 1 ? late : [];
      queue.unshift(...inChunks(again, Math.ceil(batch.length / 2)));
      const of = results.filter((r) => !again.includes(r.cell));
      if (of.length > 0) yield { of, millis: Date.now() - began };
      if (spoiled || ++batches >= MOST_BATCHES_A_SITE) await close();
    }
  } finally {
    await close();
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
      late: [],
      spoiled: true,
    };
  }
}

function scenariosOf({ operations, cells, every = 1 }: Selection): readonly Scenario[] {
  const named = operations ?? cells?.map((name) => name.split(':')[0] as string);
  const nth = (_: Scenario, i: number) => i % every === 0;
  if (!named) return SCENARIOS.filter(nth);
  const unknown = named.filter((n) => !SCENARIOS.some((s) => s.name === n));
  if (unknown.length > 0)
    throw new Error(
      `No operation is called ${unknown.join(', ')}: there are ${SCENARIOS.map((s) => s.name).join(', ')}.`,
    );
  return SCENARIOS.filter((s) => named.includes(s.name)).filter(nth);
}

async function discoverAll(site: TestSite, scenarios: readonly Scenario[]): Promise<Discovered[]> {
  const found = new Map<Scenario, Discovered>();
  const discover = async (scenario: Scenario | undefined): Promise<void> => {
    if (!scenario) return;
    const steps = await discoverSteps(site, scenario);
    await scenario.after?.(site);
    if (scenario.alone) await site.clean();
    const undo = await discoverUndo(site, scenario, steps);
    found.set(scenario, scenario.sampled ? sampleOf({ scenario, steps, undo }) : { scenario, steps, undo });
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
