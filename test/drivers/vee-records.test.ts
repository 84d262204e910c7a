import { link, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VeeId } from '../../domain/ids';
import { VeeRecords } from '../../drivers/lib/vee-records';
import { specFor } from '../support/specs';

describe('what a driver keeps of its VEEs', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-records-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is nothing of those that an agent died over before it recorded them: they would hold their image', async () => {
    const records = new VeeRecords(folder);
    await records.open();
    const spec = specFor('vee-kept', {});
    await records.put({ spec, state: 'DEFINED' });
    const image = join(folder, 'blob');
    await writeFile(image, 'x');
    for (const id of ['vee-kept', 'vee-half'] as VeeId[]) {
      await mkdir(records.folder(id), { recursive: true });
      await link(image, join(records.folder(id), 'image'));
    }
    await records.sweep();
    expect(await readdir(join(folder, 'vees'))).toEqual(['vee-kept']);
    expect((await stat(image)).nlink).toBe(2);
    expect((await records.all()).map((v) => v.spec.veeId)).toEqual([spec.veeId]);
    // A fence outlives them.
    await records.raiseFence({ veeId: 'vee-half' as VeeId, epoch: 3 }, true);
    await records.sweep();
    await expect(records.checkFence({ veeId: 'vee-half' as VeeId, epoch: 2 })).rejects.toMatchObject({
      code: 'epoch-fenced',
    });
  });
});
