import { existsSync } from 'node:fs';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../domain/errors';

/**
 * Named faults for the crash suites, off unless `SLUICE_FAULTS_DIR` is set. A test writes `arm-<role>.json`
 * with a list of faults; the worker of that role makes each of them once, when it gets there:
 *
 *   `kill`  the worker kills itself with SIGKILL
 *   `hold`  the worker writes `held-<role>` and waits until the test removes it (or kills something)
 *   `fail`  the activity fails for good
 *   `retry` the activity fails once in a way that passes, so that it is made again
 *
 * While a file `trace` exists, each activity that is reached adds a line to it: so the suites find out which
 * points there are, instead of holding a list that a new step would be missing from.
 */
export interface Fault {
  readonly activity: string;
  /** The n-th time that this activity is reached, from 1. */
  readonly occurrence: number;
  readonly when: 'before' | 'after';
  readonly act: 'kill' | 'hold' | 'fail' | 'retry';
}

export class FaultPoints {
  private readonly folder: string;
  private readonly role: string;
  private readonly reached = new Map<string, number>();

  constructor(folder: string, role: string) {
    this.folder = folder;
    this.role = role;
  }

  static fromEnvironment(role: string): FaultPoints | undefined {
    const folder = process.env.SLUICE_FAULTS_DIR;
    return folder ? new FaultPoints(folder, role) : undefined;
  }

  async reach(activity: string, when: Fault['when']): Promise<void> {
    await this.trace(activity, when);
    const path = join(this.folder, `arm-${this.role}.json`);
    if (!existsSync(path)) return this.reached.clear();
    const armed = JSON.parse(await readFile(path, 'utf8').catch(() => '[]')) as Fault[];
    const count = (this.reached.get(`${when} ${activity}`) ?? 0) + 1;
    this.reached.set(`${when} ${activity}`, count);
    const fault = armed.find((f) => f.activity === activity && f.when === when && f.occurrence === count);
    if (!fault) return;
    // Disarmed first: it strikes once, also when the striking process is replaced.
    const rest = armed.filter((f) => f !== fault);
    if (rest.length > 0) await writeFile(path, JSON.stringify(rest));
    else await rm(path, { force: true });
    await this.strike(fault, `Injected ${when} ${activity}.`);
  }

  private async strike({ act }: Fault, message: string): Promise<void> {
    if (act === 'kill') process.kill(process.pid, 'SIGKILL');
    if (act === 'fail') throw new SluiceError('driver-refused', message);
    if (act === 'retry') throw new SluiceError('driver-failed', message);
    await this.hold();
  }

  private async trace(activity: string, when: Fault['when']): Promise<void> {
    const path = join(this.folder, 'trace');
    if (when === 'before' && existsSync(path)) await appendFile(path, `${this.role} ${activity}\n`);
  }

  private async hold(): Promise<void> {
    const marker = join(this.folder, `held-${this.role}`);
    await writeFile(marker, '');
    while (existsSync(marker)) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
