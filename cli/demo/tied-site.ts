import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { UpMessage, UpReady } from '../commands/up-messages';
import { CliError, EXIT } from '../exit-codes';

/**
 * A site that the demo runs beside itself: the very `sluice up` that a user runs, in a process of its own, so
 * that `--keep` can leave it behind. Until then it ends with the demo, however that ends.
 */
export class TiedSite {
  readonly ready: UpReady;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, ready: UpReady) {
    this.child = child;
    this.ready = ready;
  }

  static async start(
    dataDir: string,
    flags: readonly string[],
    say: (line: string) => void,
  ): Promise<TiedSite> {
    await mkdir(dataDir, { recursive: true });
    const logPath = join(dataDir, 'up.log');
    const log = openSync(logPath, 'a');
    const main = join(__dirname, '..', 'main.js');
    const child = spawn(process.execPath, [main, '--data-dir', dataDir, 'up', ...flags], {
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, SLUICE_TIED: '1' },
      detached: true,
    });
    const ready = await new Promise<UpReady>((resolve, reject) => {
      child.on('message', (message: UpMessage) => {
        if ('line' in message) say(message.line);
        if ('ready' in message) resolve(message.ready);
      });
      child.once('exit', async (code) => {
        const said = (await readFile(logPath, 'utf8').catch(() => ''))
          .trim()
          .split('\n')
          .slice(-8)
          .join('\n');
        reject(
          new CliError(`The site did not start (exit code ${code}):\n${said}`, code ?? EXIT.unavailable),
        );
      });
    });
    return new TiedSite(child, ready);
  }

  pidOf(name: string): number {
    const pid = this.ready.processes.find((p) => p.name === name)?.pid;
    if (pid === undefined) throw new Error(`no process is called ${name}`);
    return pid;
  }

  /** Lets it run on after the demo has ended. */
  async release(): Promise<void> {
    this.child.removeAllListeners('exit');
    await new Promise((resolve) => this.child.send({ release: true }, resolve));
    this.child.disconnect();
    this.child.unref();
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
  }
}
