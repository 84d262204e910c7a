import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from 'tar';
import { WARM_FILES } from '../../domain/images/warm';

/** The parts that `capture` has left in a folder, as the one file that is kept of them. What it is comes first. */
export async function packWarm(folder: string, path: string): Promise<void> {
  const { about, memory, disk } = WARM_FILES;
  const hasDisk = await access(join(folder, disk)).then(
    () => true,
    () => false,
  );
  await create({ file: path, cwd: folder, portable: true }, [about, memory, ...(hasDisk ? [disk] : [])]);
}
