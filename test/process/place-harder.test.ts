import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Piscina } from 'piscina';
import type { Harder, HarderQuestion } from '../../domain/placement/harder';
import { plan } from '../../domain/placement/plan';
import { context, packing } from '../support/placement';
import { planted } from '../support/planted';

describe('room that is looked for by solvers', () => {
  it('is asked of algorithms of others as well, and the answer says which of them broke', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-algorithms-'));
    const pool = new Piscina({
      // What begins threads has to be compiled: `npm test` does that first.
      filename: join(process.cwd(), 'dist', 'process', 'planner-thread.js'),
      maxThreads: 1,
      workerData: { policyFolder: undefined, algorithmFolder: folder },
    });
    try {
      const put = async (name: string, body: string) => {
        const text = `module.exports = { apiVersion: 1, kind: 'algorithm', does: 'it', solve({ problem }) { ${body} } };`;
        await writeFile(join(folder, `${name}.js`), text);
        const file = await readFile(join(folder, `${name}.js`));
        return { name, sha256: createHash('sha256').update(file).digest('hex') };
      };
      const algorithms = [
        await put('idle', 'return undefined;'),
        await put('thrower', 'throw new Error("no idea");'),
      ];
      const { snapshot, request } = planted('6', 12, 0.985);
      const question: HarderQuestion = { snapshot, request, policy: packing, context, algorithms };
      expect(plan(snapshot, request, packing, context).kind).toBe('infeasible');
      const { answer, search, broken }: Harder = await pool.run(question, { name: 'placeHarder' });
      expect(answer.kind).toBe('blueprint');
      const asked = new Map(search?.asked.map((a) => [a.solver, a]));
      expect(asked.get(search?.solver ?? '')?.cost).toBe(0);
      expect(asked.get('algorithm idle')?.broken).toBeUndefined();
      // Whoever has not been ended before has had the time to break.
      const thrower = asked.get('algorithm thrower');
      if (thrower?.broken)
        expect(broken?.map((b) => [b.name, b.because])).toEqual([['thrower', thrower.because]]);
      else expect(thrower?.because).toMatch(/nothing better/);
    } finally {
      await pool.destroy();
      await rm(folder, { recursive: true, force: true });
    }
  }, 30_000);
});
