/** Lets so many in at a time, in order of arrival. Machines that boot all at once starve each other until their kernels give up. */
export class BootGate {
  private readonly most: number;
  private inside = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(most: number) {
    this.most = most;
  }

  /** @returns what lets the next one in; to be called once */
  async enter(): Promise<() => void> {
    if (this.inside >= this.most) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.inside++;
    return () => {
      const next = this.waiting.shift();
      if (next) next();
      else this.inside--;
    };
  }
}
