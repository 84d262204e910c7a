import { setTimeout as delay } from 'node:timers/promises';
import { type HeldVee, readHostFolders, runningTwice } from './host-folders';

/** Looks at the hosts all the while, for a second copy of a VEE that runs even for a moment. */
export class DoubleWatch {
  readonly found: string[] = [];
  private readonly dataDir: string;
  private readonly halt = new AbortController();
  private readonly looking: Promise<void>;
  private readonly periodMillis: number;
  private looks = 0;

  constructor(dataDir: string, periodMillis = 100) {
    this.dataDir = dataDir;
    this.periodMillis = periodMillis;
    this.looking = this.look();
  }

  /** @returns what it has seen @throws when it has seen nothing at all, so that silence means something */
  async stop(): Promise<readonly string[]> {
    this.halt.abort();
    await this.looking;
    if (this.looks === 0) throw new Error('the hosts were never looked at');
    return this.found;
  }

  private async look(): Promise<void> {
    while (!this.halt.signal.aborted) {
      const first = await readHostFolders(this.dataDir);
      this.looks++;
      // Folders are read one after the other, and a VEE may have moved in between: what stands in a second look
      // as it did in the first stood so at one moment.
      if (runningTwice(first).length > 0) {
        const second = await readHostFolders(this.dataDir);
        const seen = new Set(runningTwice(second.filter((v) => first.some((w) => isSame(v, w)))));
        for (const twice of seen) if (!this.found.includes(twice)) this.found.push(twice);
      }
      await delay(this.periodMillis, undefined, { signal: this.halt.signal }).catch(() => undefined);
    }
  }
}

const isSame = (a: HeldVee, b: HeldVee) =>
  a.hostId === b.hostId && a.veeId === b.veeId && a.epoch === b.epoch && a.state === b.state;
