import { ApplicationFailure, CancellationScope, isCancellation } from '@temporalio/workflow';
import type { ErrorCode, ErrorSummary } from '../../domain/errors';
import type { HostId } from '../../domain/ids';
import { site } from './activities';
import { isPatched } from './patches';

/** How it shows that a host does not answer. */
const SILENCE: readonly ErrorCode[] = ['host-lost', 'host-unreachable', 'outcome-unknown'];

/**
 * Which hosts an operation knows to be fenced, and what waits for an answer of theirs. A fenced host can't run
 * anything of ours any more, so waiting for it is over, and an undo on it has nothing left to undo.
 */
export class Fences {
  /** Workflows that are younger than this need not look whether they are. */
  private readonly sinceEver: boolean;
  private readonly fenced = new Set<HostId>();
  private readonly listeners = new Set<(host: HostId) => void>();
  private readonly waiting = new Map<HostId, Set<() => void>>();

  constructor({ sinceEver = false } = {}) {
    this.sinceEver = sinceEver;
  }

  /** @returns what ends the listening */
  onRaise(listener: (host: HostId) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  raise(host: HostId): void {
    this.fenced.add(host);
    for (const listener of this.listeners) listener(host);
    for (const leave of this.waiting.get(host) ?? []) leave();
  }

  get known(): readonly HostId[] {
    return [...this.fenced];
  }

  knows(host: HostId): boolean {
    return this.fenced.has(host);
  }

  /**
   * Not even one turn of the event loop is added where there is nothing to guard: how reports of progress fall
   * together depends on it, and histories that are older than this hold so many of them.
   * @param awaited it ends by itself when it is cancelled, and not at once; but a fenced host is not waited for
   * @throws ApplicationFailure `host-lost` when the host is fenced before it answers
   */
  guard<T>(host: HostId | undefined, run: () => Promise<T>, awaited = false): Promise<T> {
    const guarded = host !== undefined && (this.sinceEver || isPatched('fencedHosts'));
    return guarded ? this.untilFenced(host, run, awaited) : run();
  }

  private async untilFenced<T>(host: HostId, run: () => Promise<T>, awaited: boolean): Promise<T> {
    if (this.fenced.has(host)) throw lost(host);
    const scope = new CancellationScope();
    const leaves = this.waiting.get(host) ?? new Set();
    let giveUp = (): void => undefined;
    const leave = (): void => {
      scope.cancel();
      giveUp();
    };
    this.waiting.set(host, leaves.add(leave));
    try {
      if (!awaited) return await scope.run(run);
      const fenced = new Promise<never>((_, reject) => {
        giveUp = () => reject(lost(host));
      });
      return await Promise.race([scope.run(run), fenced]);
    } catch (error) {
      if (isCancellation(error) && this.fenced.has(host)) throw lost(host);
      throw error;
    } finally {
      leaves.delete(leave);
    }
  }

  /** Is the failure no more than the silence of a host that is fenced? */
  async excuse(host: HostId | undefined, { code }: ErrorSummary): Promise<boolean> {
    if (host === undefined || !SILENCE.includes(code)) return false;
    if (!this.fenced.has(host) && (await site.isFenced({ hostId: host }))) this.fenced.add(host);
    return this.fenced.has(host);
  }
}

const lost = (host: HostId) => ApplicationFailure.nonRetryable(`${host} is lost and fenced.`, 'host-lost');
