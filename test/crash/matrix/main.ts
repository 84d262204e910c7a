import { Command, InvalidArgumentError } from 'commander';
import { SCENARIOS } from '../../operations/scenarios';
import { TARGET_NAMES, type Target } from './cells';
import { MatrixRecord } from './record';
import { asJson, cellsTable, counts, isGreen, matrixTable, redCells, summaryTable } from './report';
import { listCells, runMatrix, type Selection } from './run';

interface Flags {
  readonly all?: boolean;
  readonly operation?: string[];
  readonly every?: number;
  readonly process?: Target[];
  readonly cell?: string[];
  readonly sites: number;
  readonly record?: string;
  readonly list?: boolean;
  readonly json?: boolean;
}

const collect = (value: string, before: string[] = []) => [...before, value];

function collectTarget(value: string, before: Target[] = []): Target[] {
  const found = TARGET_NAMES.find((t) => t === value);
  if (!found) throw new InvalidArgumentError(`There are ${TARGET_NAMES.join(', ')}.`);
  return [...before, found];
}

function count(value: string): number {
  const n = Number(value);
  if (!Number.isInteger(n) || n < 1 || n > 16) throw new InvalidArgumentError('A number from 1 to 16.');
  return n;
}

const program = new Command('npm run test:crash --')
  .description(
    'Kills processes with SIGKILL at each step of each operation, and shows how each operation ends.',
  )
  .option('--all', 'every cell, instead of the split that CI runs')
  .option('--operation <name>', 'only this operation; may be repeated', collect)
  .option('--every <n>', 'of the operations only every n-th', count)
  .option(
    '--process <name>',
    `only where this is killed; may be repeated: ${TARGET_NAMES.join(', ')}`,
    collectTarget,
  )
  .option('--cell <name>', 'only this cell; may be repeated', collect)
  .option('--sites <n>', 'so many sites side by side, each with engines of its own', count, 2)
  .option(
    '--record <file>',
    'keep results there, and go on where it ends if a run was cut short: only what is not in it runs',
  )
  .option('--list', 'the cells that would run, with their names')
  .option('--json', 'one JSON object instead of tables')
  .addHelpText(
    'after',
    `\nOperations: ${SCENARIOS.map((s) => s.name).join(', ')}.\nExit codes: 0 all green, 1 a cell is red, 2 usage.`,
  );

async function main(flags: Flags): Promise<number> {
  const selection: Selection = {
    all: flags.all ?? false,
    ...(flags.operation ? { operations: flags.operation } : {}),
    ...(flags.every ? { every: flags.every } : {}),
    ...(flags.process ? { targets: flags.process } : {}),
    ...(flags.cell ? { cells: flags.cell } : {}),
  };
  if (flags.list) {
    console.log(cellsTable(await listCells(selection)));
    return 0;
  }
  const began = Date.now();
  let [planned, done, batch, batches] = [0, 0, 0, 0];
  const results = await runMatrix({
    ...selection,
    sites: flags.sites,
    ...(flags.record ? { record: MatrixRecord.open(flags.record) } : {}),
    onPlan: (cells, n, recorded) => {
      [planned, batches, done] = [cells.length, n, recorded];
      const before = recorded > 0 ? `${recorded} of them recorded; ` : '';
      console.error(`${planned} cells, ${before}${batches} kills; steps found in ${Date.now() - began} ms`);
    },
    onBatch: (of, millis) => {
      done += of.length;
      const red = of.filter((r) => !isGreen(r));
      console.error(
        `[${++batch}/${batches}, ${done}/${planned}] ${of[0]?.cell.target}: ${of.length - red.length} of ${of.length} green in ${millis} ms`,
      );
      for (const line of redCells(red)) console.error(line);
    },
  });
  const millis = Date.now() - began;
  if (flags.json) console.log(JSON.stringify(asJson(results, millis)));
  else {
    const red = redCells(results);
    console.log(
      [
        matrixTable(results),
        '',
        summaryTable(results),
        '',
        ...red,
        ...(red.length > 0 ? [''] : []),
        counts(results, millis),
      ].join('\n'),
    );
  }
  return results.length > 0 && results.every(isGreen) ? 0 : 1;
}

program.parse();
main(program.opts<Flags>()).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
