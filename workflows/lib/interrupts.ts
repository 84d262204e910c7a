import { CancellationScope } from '@temporalio/workflow';

/** What may be left half-way: a cancel need not wait for it. */
export class Interrupts {
  private readonly scopes = new Set<CancellationScope>();

  async run<T>(work: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope();
    this.scopes.add(scope);
    try {
      return await scope.run(work);
    } finally {
      this.scopes.delete(scope);
    }
  }

  cancel(): void {
    for (const scope of this.scopes) scope.cancel();
  }
}
