import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** In a process of their own, by Node's test runner: MongoDB's driver does not know its own objects again inside Jest. */
it('never promises more than hosts have', async () => {
  const tests = join(process.cwd(), 'dist', 'test', 'store', 'with-driver', 'promises.js');
  const run = promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', tests]);
  // What failed is told on the standard output.
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  expect(stdout).toMatch(/^# fail 0$/m);
  expect(stdout).toMatch(/^# pass 10$/m);
});
