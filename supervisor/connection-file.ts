import { join } from 'node:path';

/** What clients need to reach the system; kept in the data directory, readable by its owner only. */
export interface ConnectionFile {
  readonly apiUrl: string;
  readonly token: string;
  readonly temporalUi?: string;
}

export const connectionPath = (dataDir: string) => join(dataDir, 'connection.json');
