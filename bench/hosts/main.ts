import { table } from '../../cli/output';
import { containerObstacle } from '../../drivers/container/runtime';
import { guestObstacle, testGuest } from '../../drivers/qemu/guest/build';
import { qemuObstacle } from '../../drivers/qemu/probe';
import { containerStarts } from './containers';
import type { Row } from './figures';
import { migrations } from './migrations';
import { warmStarts } from './warm';

/** What Sluice's drivers cost, each beside its rival in the same run. The first argument: how many rounds (5). */
async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 5);
  const rows: Row[] = [];
  const missing = qemuObstacle()?.missing ?? guestObstacle();
  if (missing) console.log(`Machines need ${missing}: left out.`);
  else {
    await testGuest();
    rows.push(...(await warmStarts(rounds)));
    for (const name of ['idle', 'under load'] as const) rows.push(...(await migrations(name, rounds)));
  }
  const noContainers = containerObstacle()?.missing;
  if (noContainers) console.log(`Containers need ${noContainers}: left out.`);
  else rows.push(...(await containerStarts(rounds * 20)));
  console.log(
    table(
      ['what', 'rival ms', 'sluice ms', 'times', 'goal'],
      rows.map(({ what, rival, sluice, goal }) => {
        const times = sluice / rival;
        const verdict = times <= goal ? 'reached' : 'MISSED';
        return [what, rival.toFixed(0), sluice.toFixed(0), times.toFixed(2), `≤ ${goal}: ${verdict}`];
      }),
    ),
  );
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
