import type { ConnectionFile } from '../../supervisor/connection-file';

export interface UpReady extends ConnectionFile {
  readonly pid: number;
  readonly processes: readonly { readonly name: string; readonly pid: number | undefined }[];
}

/** What a tied `sluice up` tells the process that started it. */
export type UpMessage = { readonly line: string } | { readonly ready: UpReady };

/** What that process tells it: run on by yourself. */
export interface ReleaseMessage {
  readonly release: true;
}
