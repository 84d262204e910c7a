import { existsSync } from 'node:fs';
import { appendFile, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../domain/errors';
import type { OperationId } from '../domain/ids';

/**
 * Named faults for the crash suites, off unless `SLUICE_FAULTS_DIR` is set. A test writes each fault into a file
 * `arm-<role>.<name>.json`; a process of that role makes it once, when it gets to that activity (the API's only one
 * is `submit`: a recorded request is handed over):
 *
 *   `kill`  the process kills itself with SIGKILL
 *   `hold`  the process writes its pid into `held-<role>.<name>` and waits until the test removes it (or kills something)
 *   `fail`  the activity fails for good
 *   `retry` the activity fails once in a way that passes, so that it is made again
 *
 * While a file `trace` exists, each activity that is reached adds a line to it: so the suites find out which
 * points there are, instead of holding a list that a new step would be missing from.
 */
export interface Fault {
  readonly activity: string;
  /** The n-th time that this activity is reached since the fault was armed, from 1. */
  readonly occurrence: number;
  readonly when: 'before' | 'after';
  readonly act: 'kill' | 'hold' | 'fail' | 'retry';
  /** Only in the workflows of this operation, so that many can be tested side by side. */
  readonly operationId?: OperationId;
}

/** An operation's workflow, and those of its batches, have its id as a part of theirs. */
export const isOf = (operationId: OperationId, workflowId: string): boolean =>
  workflowId.split('/').includes(operationId);

export class FaultPoints {
  private readonly folder: string;
  private readonly role: string;
  /** How often each armed fault's point was reached, by its file. */
  private readonly reached = new Map<string, number>();

  constructor(folder: string, role: string) {
    this.folder = folder;
    this.role = role;
  }

  static fromEnvironment(role: string): FaultPoints | undefined {
    const folder = process.env.SLUICE_FAULTS_DIR;
    return folder ? new FaultPoints(folder, role) : undefined;
  }

  /**
   * An activity begins. Counted now for both sides of its effect: one that fails before it has been reached as well.
   * @returns to be called when it has had its effect
   */
  async reach(activity: string, workflowId: string): Promise<() => Promise<void>> {
    await this.trace(activity, workflowId);
    const due: { file: string; fault: Fault }[] = [];
    const files = (await readdir(this.folder)).filter(
      (f) => f.startsWith(this.prefix) && f.endsWith('.json'),
    );
    const armed = await Promise.all(files.map(async (file) => ({ file, fault: await this.read(file) })));
    // Counted without a pause: of two that get here together each is the first, or each the second, for all faults alike.
    for (const { file, fault } of armed) {
      if (!fault || fault.activity !== activity) continue;
      if (fault.operationId !== undefined && !isOf(fault.operationId, workflowId)) continue;
      const count = (this.reached.get(file) ?? 0) + 1;
      this.reached.set(file, count);
      if (count === fault.occurrence) due.push({ file, fault });
    }
    const strikeAll = async (when: Fault['when']) => {
      for (const { file, fault } of due)
        if (fault.when === when && (await this.disarm(file))) await this.strike(fault, file);
    };
    await strikeAll('before');
    return () => strikeAll('after');
  }

  private get prefix(): string {
    return `arm-${this.role}.`;
  }

  private async read(file: string): Promise<Fault | undefined> {
    const text = await readFile(join(this.folder, file), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as Fault);
  }

  /** Before it strikes: it strikes once, whoever gets there first, also when the striking process is replaced. */
  private async disarm(file: string): Promise<boolean> {
    this.reached.delete(file);
    return rm(join(this.folder, file)).then(
      () => true,
      () => false,
    );
  }

  private async strike({ act, when, activity }: Fault, file: string): Promise<void> {
    const message = `Injected ${when} ${activity}.`;
    if (act === 'kill') process.kill(process.pid, 'SIGKILL');
    if (act === 'fail') throw new SluiceError('driver-refused', message);
    if (act === 'retry') throw new SluiceError('driver-failed', message);
    await this.hold(file.slice(this.prefix.length, -'.json'.length));
  }

  private async trace(activity: string, workflowId: string): Promise<void> {
    const path = join(this.folder, 'trace');
    if (existsSync(path)) await appendFile(path, `${this.role} ${activity} ${workflowId} ${Date.now()}\n`);
  }

  private async hold(name: string): Promise<void> {
    const marker = join(this.folder, `held-${this.role}.${name}`);
    await writeFile(`${marker}.tmp`, String(process.pid));
    await rename(`${marker}.tmp`, marker);
    while (existsSync(marker)) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
