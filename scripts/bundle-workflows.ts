import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

/** Set to keep whole stack traces: Temporal's UI then shows where a workflow waits, and all of it is slower. */
const WHOLE_STACKS = process.env.SLUICE_WORKFLOW_STACKS === '1';

/** Bundles workflows at build time: a worker then starts in half a second instead of two. */
async function main(): Promise<void> {
  const dist = join(__dirname, '..');
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(dist, 'workflows', 'index.js'),
    logger: new DefaultLogger('WARN'),
    preloadModules: WHOLE_STACKS ? [] : [join(__dirname, 'short-stacks.js')],
  });
  await writeFile(join(dist, 'workflow-bundle.js'), code);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
