import { Transform, type TransformCallback } from 'node:stream';

/** Time that was not used lets no more than this be made up for. */
const BURST_MILLIS = 100;

/** Counts what passes, and holds it up so that it is no faster than it may be. */
export class Meter extends Transform {
  passedBytes = 0;
  private readonly millisPerByte: number;
  private dueMillis = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param kbps any rate when left out */
  constructor(kbps?: number) {
    super();
    this.millisPerByte = kbps === undefined ? 0 : 8 / kbps;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const now = performance.now();
    this.dueMillis = Math.max(this.dueMillis, now - BURST_MILLIS) + chunk.length * this.millisPerByte;
    const pass = () => {
      this.passedBytes += chunk.length;
      done(null, chunk);
    };
    if (this.dueMillis <= now) pass();
    else this.timer = setTimeout(pass, this.dueMillis - now);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.timer);
    done(error);
  }
}
