import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { WORKFLOW_OF } from '../../workflows/lib/workflow-of';

const FOLDER = join(__dirname, 'histories');
/** As `generation/name`: each generation stands for workflows that a release of its time may have left running. */
const histories = readdirSync(FOLDER).flatMap((generation) =>
  readdirSync(join(FOLDER, generation)).map((f) => `${generation}/${f.replace(/\.json$/, '')}`),
);
const historyOf = (name: string) => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8'));

/** The workflow types that a history stands for. */
const typeOf = (name: string): string => historyOf(name).events[0].workflowExecutionStartedEventAttributes.workflowType.name;

/** The state in which an operation ended. */
function endOf(name: string): string | undefined {
  const { workflowExecutionCompletedEventAttributes: ended } = historyOf(name).events.at(-1);
  return JSON.parse(Buffer.from(ended.result.payloads[0].data, 'base64').toString()).state;
}

/**
 * Local activities must be known to a worker, though on replay their recorded results are taken. The option's
 * type leaves them out; the worker takes them.
 */
const optionsFor = (workflowBundle: { codePath: string } | WorkflowBundleWithSourceMap) => ({
  workflowBundle,
  activities: { reportOperation: async () => undefined },
});

describe('histories that were committed', () => {
  beforeAll(() => {
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
  });

  it('are there for every kind of operation, for the entity, and for one that was undone', () => {
    const types = new Set(histories.map(typeOf));
    for (const type of [...Object.values(WORKFLOW_OF), 'service', 'hostEntity', 'siteEntity']) expect(types).toContain(type);
    expect(histories).toContain('1/provision-undone');
  });

  it('are of what their names say, where the name tells the end', () => {
    const endings = { undone: 'undone', kept: 'stuck' };
    const told = histories.flatMap((name) => {
      const ending = Object.entries(endings).find(([suffix]) => name.endsWith(`-${suffix}`));
      return ending ? [{ name, state: ending[1] }] : [];
    });
    expect(told.length).toBeGreaterThan(3);
    expect(told.map(({ name }) => ({ name, state: endOf(name) }))).toEqual(told);
  });

  describe('with the present code', () => {
    /** Of each history by its name, what kept it from replaying. One worker takes all: to begin one takes as long as a history. */
    const replayed = new Map<string, Error | undefined>();
    beforeAll(async () => {
      const codePath = join(process.cwd(), 'dist', 'workflow-bundle.js');
      expect(existsSync(codePath)).toBe(true);
      const all = histories.map((workflowId) => ({ workflowId, history: historyOf(workflowId) }));
      for await (const { workflowId, error } of Worker.runReplayHistories(optionsFor({ codePath }), all))
        replayed.set(workflowId, error);
    }, 120_000);

    it.each(histories)('%s replays', (name) => {
      expect([replayed.has(name), replayed.get(name)]).toEqual([true, undefined]);
    });
  });

  describe('with a changed order of commands', () => {
    let altered: WorkflowBundleWithSourceMap;
    beforeAll(async () => {
      altered = await bundleWorkflowCode({ workflowsPath: join(__dirname, 'altered-workflows.ts'), logger: new DefaultLogger('ERROR', () => undefined) });
    });

    it('fail to replay: this test can tell', async () => {
      await expect(Worker.runReplayHistory(optionsFor(altered), historyOf('1/provision'))).rejects.toBeInstanceOf(DeterminismViolationError);
      expect.assertions(2);
      // As one of many, as above.
      for await (const { error } of Worker.runReplayHistories(optionsFor(altered), [{ workflowId: 'x', history: historyOf('1/provision') }]))
        expect(error).toBeInstanceOf(DeterminismViolationError);
    });
  });
});
