import { SCENARIOS } from '../operations/scenarios';
import type { CellResult } from './matrix/batch';
import { TARGET_NAMES, TARGETS } from './matrix/cells';
import { redCells } from './matrix/report';
import { runMatrix } from './matrix/run';

/** One of several files that share the targets of the split, so that Jest's workers share the work. */
export function matrixPart(part: number, parts: number): void {
  const targets = TARGET_NAMES.filter((_, i) => i % parts === part - 1);

  describe(`whatever is killed (${targets.join(', ')}), at whatever step`, () => {
    let results: readonly CellResult[] = [];
    beforeAll(async () => {
      results = await runMatrix({ targets });
    }, 900_000);

    it.each(SCENARIOS.map((s) => s.name))('%s ends right', (name) => {
      const own = results.filter((r) => r.cell.scenario.name === name);
      expect(own.length).toBeGreaterThan(0);
      expect(redCells(own)).toEqual([]);
    });

    it('struck each of its processes', () => {
      const struck = new Set(results.flatMap((r) => TARGETS[r.cell.target]));
      expect([...struck].sort()).toEqual([...new Set(targets.flatMap((t) => TARGETS[t]))].sort());
    });
  });
}
