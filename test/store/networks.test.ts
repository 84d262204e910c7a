import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** In a process of their own, as in site-view.test.ts. */
it('networks and addresses are right for whoever comes at once, and after whoever dies', async () => {
  const tests = join(process.cwd(), 'dist', 'test', 'store', 'with-driver', 'networks.js');
  const run = promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', tests]);
  // What failed is told on the standard output.
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  expect(stdout).toMatch(/^# fail 0$/m);
  expect(stdout).toMatch(/^# pass [4-9]$/m);
});
