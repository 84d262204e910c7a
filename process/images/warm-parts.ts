import type { ReadEntry } from 'tar';
import { QCOW2_HEADER_BYTES, readQcow2 } from '../../domain/images/qcow2';
import { MOST_ABOUT_BYTES, readWarm, WARM_FILES, type WarmFacts } from '../../domain/images/warm';

/** What is kept of each part while an archive is read. */
const KEPT: Readonly<Record<string, number>> = {
  [WARM_FILES.about]: MOST_ABOUT_BYTES + 1,
  [WARM_FILES.memory]: 0,
  [WARM_FILES.disk]: QCOW2_HEADER_BYTES,
};

/** The archive of a warm image: its three parts, each once, and nothing else. */
export class WarmParts {
  private readonly seen = new Map<string, Buffer>();
  private refused: string | undefined;

  take(entry: ReadEntry): void {
    const { path, type } = entry;
    const most = KEPT[path];
    if (most === undefined || type !== 'File' || this.seen.has(path)) {
      this.refused ??= `${JSON.stringify(path.slice(0, 100))} is no part of a warm image`;
      entry.resume();
      return;
    }
    let start = Buffer.alloc(0);
    this.seen.set(path, start);
    entry.on('data', (chunk: Buffer) => {
      if (start.length >= most) return;
      start = Buffer.concat([start, chunk]).subarray(0, most);
      this.seen.set(path, start);
    });
  }

  conclude(): { readonly facts: WarmFacts } | { readonly refused: string } {
    if (this.refused !== undefined) return { refused: this.refused };
    const [about, memory, disk] = [WARM_FILES.about, WARM_FILES.memory, WARM_FILES.disk].map((name) =>
      this.seen.get(name),
    );
    const read = about && about.length <= MOST_ABOUT_BYTES ? readWarm(about.toString()) : undefined;
    if (!read || !memory) return { refused: 'it does not say which machine it is of' };
    const { facts } = read;
    if (facts.diskMiB > 0 !== (disk !== undefined)) return { refused: 'it has not the disk that it says' };
    const qcow2 = disk && readQcow2(disk);
    if (qcow2 && 'refused' in qcow2) return { refused: `its disk ${qcow2.refused}` };
    return { facts };
  }
}
