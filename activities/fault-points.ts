import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../domain/errors';

/**
 * Named faults for the crash suites, off unless `SLUICE_FAULTS_DIR` is set. A test writes `arm-<role>.json`
 * with the activity, the moment and what to do; the worker of that role acts once when it gets there:
 *
 *   `kill`  the worker kills itself with SIGKILL
 *   `hold`  the worker writes `held-<role>` and waits until the test removes it (or kills something)
 *   `fail`  the activity fails for good
 */
export interface Fault {
  readonly activity: string;
  /** The n-th time that this activity is reached, from 1. */
  readonly occurrence: number;
  readonly when: 'before' | 'after';
  readonly act: 'kill' | 'hold' | 'fail';
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
    const path = join(this.folder, `arm-${this.role}.json`);
    if (!existsSync(path)) return;
    const fault = JSON.parse(await readFile(path, 'utf8').catch(() => '{}')) as Partial<Fault>;
    if (fault.activity !== activity || fault.when !== when) return;
    const count = (this.reached.get(activity) ?? 0) + 1;
    this.reached.set(activity, count);
    if (count !== fault.occurrence) return;
    // Disarmed first: it strikes once, also when the striking process is replaced.
    await rm(path, { force: true });
    this.reached.clear();
    if (fault.act === 'kill') process.kill(process.pid, 'SIGKILL');
    if (fault.act === 'fail') throw new SluiceError('driver-refused', `Injected ${when} ${activity}.`);
    if (fault.act === 'hold') await this.hold();
  }

  private async hold(): Promise<void> {
    const marker = join(this.folder, `held-${this.role}`);
    await writeFile(marker, '');
    while (existsSync(marker)) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
