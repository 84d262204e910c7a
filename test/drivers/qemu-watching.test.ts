import type { SendOptions, TransferProgress } from '../../drivers/contract';
import { watchTransfer } from '../../drivers/qemu/watching';

const MiB = 1_048_576;
const PACE = { periodMillis: 5, stalledMillis: 60 };

/** What a QEMU says of a migration, look by look, and what it was told. */
class Said {
  readonly told: string[] = [];
  private looks = 0;
  private readonly answer: (look: number) => { disk?: number; memory?: number };
  private readonly refuses: number;

  constructor(answer: (look: number) => { disk?: number; memory?: number }, refuses = 0) {
    this.answer = answer;
    this.refuses = refuses;
  }

  execute = async <T>(command: string): Promise<T> => {
    const { disk, memory } = this.answer(this.looks);
    if (command === 'query-block-jobs') return [{ offset: disk ?? 0, len: 100 * MiB }] as T;
    if (command !== 'query-migrate') {
      this.told.push(command);
      if (this.told.length <= this.refuses) throw new Error('not now');
      return undefined as T;
    }
    this.looks++;
    const ram = { transferred: memory, remaining: 100 * MiB, mbps: 1 };
    return (memory === undefined ? {} : { status: 'active', ram }) as T;
  };
}

/** Watches until `until`, and gives what has been told. */
async function watch(
  said: Said,
  until: (told: readonly TransferProgress[]) => boolean,
  how: SendOptions = {},
) {
  const told: TransferProgress[] = [];
  const over = new AbortController();
  const onProgress = (progress: TransferProgress) => {
    told.push(progress);
    if (until(told)) over.abort();
  };
  await watchTransfer(said, { onProgress, ...how }, 100 * MiB, over.signal, PACE);
  return told;
}

describe('the watch over a machine that moves', () => {
  it('gives it up when nothing of it is sent any more, and not as long as something is', async () => {
    const slow = await watch(new Said((look) => ({ memory: look })), (told) => told.length >= 30);
    expect(slow.length).toBeGreaterThanOrEqual(30);
    for (const stuck of [{ memory: 5 }, { disk: 5 }])
      await expect(watch(new Said(() => stuck), () => false)).rejects.toMatchObject({
        ...{ code: 'driver-failed', message: expect.stringMatching(/^Nothing of it has been sent/) },
      });
  });

  it('does again what QEMU did not take, and tells only what was done', async () => {
    const said = new Said((look) => ({ memory: look }), 2);
    const told = await watch(said, (all) => all.at(-1)?.escalation === 'still', { deadlineMillis: 1 });
    expect(said.told).toEqual(['stop', 'stop', 'stop']);
    expect(told.slice(0, 3).map((t) => t.escalation)).toEqual(['none', 'none', 'none']);
  });

  it('counts what is to come of its memory while its disk is copied', async () => {
    // At some hundred bytes a second neither is in time.
    const said = new Said((look) => ({ disk: look }));
    const told = await watch(said, (all) => all.at(-1)?.escalation === 'still', { deadlineMillis: 60 });
    expect(said.told).toEqual(['stop']);
    expect(told.at(-1)?.phase).toBe('disk');
    const quick = new Said((look) => ({ disk: look * 10 * MiB }));
    await watch(quick, (all) => all.length >= 5, { deadlineMillis: 60_000 });
    expect(quick.told).toEqual([]);
  });
});
