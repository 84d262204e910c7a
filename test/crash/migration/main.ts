import { table } from '../../../cli/output';
import { guestObstacle, testGuest } from '../../../drivers/qemu/guest/build';
import { qemuObstacle } from '../../../drivers/qemu/probe';
import { allCells, type CellResult, runCell } from './cells';
import { Lab } from './lab';

/** Kills each party of a live migration in each of its phases. @returns the exit code: 1 when a cell is red */
async function main(): Promise<number> {
  const missing = qemuObstacle()?.missing ?? guestObstacle();
  if (missing) throw new Error(`Real machines need ${missing}.`);
  await testGuest();
  const began = performance.now();
  const lab = await Lab.open();
  const results: CellResult[] = [];
  try {
    for (const cell of allCells()) {
      const result = await runCell(lab, cell);
      results.push(result);
      const verdict = result.findings.length > 0 ? `RED: ${result.findings.join('; ')}` : 'green';
      console.error(`${cell.phase}, ${cell.victim}: ${result.outcome} in ${result.millis} ms, ${verdict}`);
    }
  } finally {
    await lab.close();
  }
  const red = results.filter((r) => r.findings.length > 0);
  console.log(
    table(
      ['phase', 'killed', 'outcome', 'counter', 'millis', 'found'],
      results.map((r) => [
        ...[r.phase, r.victim, r.outcome, r.counter, r.millis],
        r.findings.join('; ') || 'one copy, its disk as it was',
      ]),
    ),
  );
  console.log(
    `${results.length} cells, ${red.length} red, in ${Math.round((performance.now() - began) / 1_000)} s`,
  );
  return red.length > 0 ? 1 : 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
