import { MOST_OUTPUT_BYTES, run } from '../../drivers/lib/program';

const node = (program: string) => [process.execPath, '-e', program];

describe('a program that is run', () => {
  it('may write without end: only so much is kept, the first of its output and the last of its errors', async () => {
    const chatty = (stream: string) =>
      `const { writeSync } = require('node:fs'); const block = Buffer.alloc(65536, 'x');
       writeSync(${stream}, 'begin'); for (let n = 0; n < 640; n++) writeSync(${stream}, block); writeSync(${stream}, 'end');`;
    const [out, err] = await Promise.all([run(node(chatty('1'))), run(node(chatty('2')))]);
    expect([out.stdout.length, out.stdout.slice(0, 6), out.stdout.at(-1)]).toEqual([
      ...[MOST_OUTPUT_BYTES, 'beginx', 'x'],
    ]);
    expect([err.stderr.length, err.stderr.slice(-4)]).toEqual([MOST_OUTPUT_BYTES, 'xend']);
  });

  it('may write in the smallest pieces, whose characters stay whole', async () => {
    const { stdout, exitCode } = await run(
      node(
        `const b = Buffer.from('é'.repeat(400)); for (const x of b) require('node:fs').writeSync(1, Buffer.from([x]))`,
      ),
    );
    expect([exitCode, stdout]).toEqual([0, 'é'.repeat(400)]);
  });

  it('tells what has ended it, and nothing of errors that nobody wants', async () => {
    const ended = await run(node('console.error("x"); setInterval(() => 0, 1000)'), {
      ...{ timeoutMillis: 300, ignoresErrors: true },
    });
    expect(ended).toEqual({ exitCode: 137, signal: 'SIGKILL', stdout: '', stderr: '' });
  });
});
