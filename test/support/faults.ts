import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperationId } from '../../domain/ids';
import { type Fault, isOf } from '../../process/fault-points';

/** An activity that was reached: which, by whom, and the how manieth of its name. */
export interface Step {
  readonly role: string;
  readonly activity: string;
  readonly occurrence: number;
}

export interface Reached {
  readonly role: string;
  readonly activity: string;
  readonly workflowId: string;
  readonly at: number;
}

/** The folder through which a test arms the fault points of a site's workers; see `process/fault-points.ts`. */
export class Faults {
  readonly folder: string;
  private serial = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** @returns the names of the faults, in order */
  async arm(role: string, ...faults: readonly Fault[]): Promise<string[]> {
    await mkdir(this.folder, { recursive: true });
    const names = faults.map(() => String(this.serial++));
    for (const [i, fault] of faults.entries()) {
      const path = join(this.folder, `arm-${role}.${names[i]}.json`);
      await writeFile(`${path}.tmp`, JSON.stringify(fault));
      await rename(`${path}.tmp`, path);
    }
    return names;
  }

  /** Takes back every fault that has not struck, and lets go whatever is held. */
  async disarm(): Promise<void> {
    for (const file of await readdir(this.folder))
      if (/^(arm|held)-/.test(file)) await rm(join(this.folder, file), { force: true });
  }

  /** Has the fault struck; without a name, has every one of that role? */
  wasStruck(role: string, name?: string): boolean {
    if (name !== undefined) return !existsSync(join(this.folder, `arm-${role}.${name}.json`));
    return this.files(`arm-${role}.`).length === 0;
  }

  isHeld(role: string, name?: string): boolean {
    if (name !== undefined) return existsSync(join(this.folder, `held-${role}.${name}`));
    return this.files(`held-${role}.`).length > 0;
  }

  /** The process that holds it. */
  holder(role: string, name: string): number {
    const pid = Number(readFileSync(join(this.folder, `held-${role}.${name}`), 'utf8'));
    // To signal 0 would be to signal ourselves.
    if (!(pid > 0)) throw new Error(`nobody holds ${name}`);
    return pid;
  }

  /** Lets a held activity go on; without a name, all of that role. */
  async release(role: string, name?: string): Promise<void> {
    const held = name === undefined ? this.files(`held-${role}.`) : [`held-${role}.${name}`];
    for (const file of held) await rm(join(this.folder, file), { force: true });
  }

  /** From now on every activity that is reached is noted, until the site goes. */
  async startTrace(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await writeFile(join(this.folder, 'trace'), '', { flag: 'a' });
  }

  /** What was reached since the trace began, in order: by one operation, or by all. */
  async traced(operationId?: OperationId): Promise<Reached[]> {
    const text = await readFile(join(this.folder, 'trace'), 'utf8');
    const lines = text.split('\n').filter((line) => line !== '');
    return lines
      .map((line) => line.split(' '))
      .map(([role = '', activity = '', workflowId = '', at = '']) => ({
        ...{ role, activity, workflowId },
        at: Number(at),
      }))
      .filter((r) => operationId === undefined || isOf(operationId, r.workflowId));
  }

  private files(prefix: string): string[] {
    // Synchronously, since it is asked inside assertions.
    return existsSync(this.folder) ? readdirSync(this.folder).filter((f) => f.startsWith(prefix)) : [];
  }
}

/** The same activities with their counts: what a fault names. */
export function stepsOf(reached: readonly Pick<Reached, 'role' | 'activity'>[]): Step[] {
  const counts = new Map<string, number>();
  return reached.map(({ role, activity }) => {
    const key = `${role} ${activity}`;
    const occurrence = (counts.get(key) ?? 0) + 1;
    counts.set(key, occurrence);
    return { role, activity, occurrence };
  });
}
