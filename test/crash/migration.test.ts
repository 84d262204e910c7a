import type { TransferOffer } from '../../drivers/contract';
import { guestObstacle, testGuest } from '../../drivers/qemu/guest/build';
import { qemuObstacle } from '../../drivers/qemu/probe';
import { type Cell, runCell } from './migration/cells';
import { Lab } from './migration/lab';

/** Of all of them (`npm run test:migration`) one for each party, in the phases in which most is under way. */
const CELLS: readonly Cell[] = [
  { phase: 'memory', victim: 'source agent' },
  { phase: 'mirror', victim: 'target agent' },
  { phase: 'pre-switchover', victim: 'target qemu' },
  { phase: 'switch-over', victim: 'source agent' },
];

const missing = qemuObstacle()?.missing ?? guestObstacle();
if (missing) {
  it.skip(`real machines need ${missing}`, () => undefined);
} else {
  describe('a machine that migrates', () => {
    let lab: Lab;

    beforeAll(async () => {
      await testGuest();
      lab = await Lab.open();
    }, 180_000);
    afterAll(() => lab?.close(), 30_000);

    it.each(CELLS)(
      'is there once, whole, when the $victim is killed in $phase',
      async (cell) => {
        const { findings, counter, outcome } = await runCell(lab, cell);
        expect(findings).toEqual([]);
        expect(counter).toBe('continued');
        expect(['completed', 'undone']).toContain(outcome);
      },
      60_000,
    );

    it('does not go on where it came from once it runs on its target, whoever begins there', async () => {
      lab.onPhase = async () => undefined;
      const { vee } = lab;
      const [source, target] = [lab.agent('source'), lab.agent('target')];
      const next = { ...vee, epoch: lab.nextEpoch() };
      const offer = (await target.ask('prepareTarget', next)) as TransferOffer;
      await source.ask('send', vee, offer);
      await target.ask('switchOver', next);
      source.kill();
      // Its process is still there, with all of its memory and a disk that nothing locks.
      const left = await source.insist('inspect', vee.veeId, false);
      expect(left).toMatchObject({ state: 'OUTGOING', pid: await source.pid(vee.veeId) });
      for (const verb of ['start', 'resume', 'restore'] as const)
        await expect(source.ask(verb, vee)).rejects.toThrow(/is OUTGOING/);
      expect(await source.ask('inspect', vee.veeId, false)).toMatchObject({ state: 'OUTGOING' });
      await source.ask('finish', next);
      for (const verb of ['define', 'start', 'prepareTarget'] as const)
        await expect(source.ask(verb, vee)).rejects.toThrow(/superseded/);
      lab.moved(next);
      const before = await lab.counter();
      expect(await lab.findings()).toEqual([]);
      expect(await lab.counter()).toBeGreaterThanOrEqual(before);
    }, 60_000);
  });
}
