import type { Client } from '@temporalio/client';
import type { ApiClient, OperationView } from '../cli/client';

/** What keeps histories. */
export interface Keeper {
  keep(name: string, workflowId: string): Promise<void>;
  /** Follows an operation to its end, and keeps its history. */
  run(name: string, started: OperationView): Promise<OperationView>;
}

/** A site whose workflows are recorded. */
export interface Recording extends Keeper {
  readonly client: ApiClient;
  readonly temporal: Client;
  readonly dataDir: string;
}
