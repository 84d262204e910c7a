import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** In a process of their own, by Node's test runner: MongoDB's driver does not know its own objects again inside Jest. */
it('follows what changes in a site', async () => {
  const tests = join(process.cwd(), 'dist', 'test', 'store', 'with-driver', 'site-view.js');
  const run = promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', tests]);
  // What failed is told on the standard output.
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  expect(stdout).toMatch(/^# fail 0$/m);
  expect(stdout).toMatch(/^# pass [5-9]$/m);
});
