import type { HostId, VeeId } from '../../domain/ids';
import type { Measurement, VeeStatus } from '../../drivers/contract';
import { createLogger } from '../../process/log';
import { HostLoads } from '../../worker/host-loads';

const [h, v] = ['h' as HostId, 'v' as VeeId];
const capacity = { cpuMillis: 1_000, memoryMiB: 1_000, diskMiB: 0, bandwidthKbps: 0 };
const listed: VeeStatus[] = [{ veeId: v, epoch: 1, state: 'ACTIVE', ready: true, capacity }];

function loads(): HostLoads {
  const log = createLogger('test');
  log.level = 'silent';
  const of = new HostLoads(log);
  of.has(h, capacity);
  return of;
}

const reading = (cpuMicros: number): Measurement => ({ vees: new Map([[v, { cpuMicros, memoryMiB: 7 }]]) });

describe('the loads of a host', () => {
  it('are told as they were while nothing can be measured', async () => {
    const of = loads();
    await of.of(h, { measure: async () => reading(0) }, listed);
    const good = await of.of(h, { measure: async () => reading(10) }, listed);
    expect(good.vees.get(v)?.memoryMiB).toBe(7);
    const broken = { measure: () => Promise.reject(new Error('no control group')) };
    expect(await of.of(h, broken, listed)).toEqual(good);
    expect(await of.of(h, broken, listed)).toEqual(good);
    expect((await of.of(h, { measure: async () => reading(20) }, listed)).vees.get(v)?.memoryMiB).toBe(7);
  });

  it('are waited for a second at most, and what comes later is for the next heartbeat', async () => {
    const of = loads();
    let calls = 0;
    let answer: (reading: Measurement) => void = () => undefined;
    const slow = {
      measure: () => {
        calls += 1;
        return new Promise<Measurement>((resolve) => {
          answer = resolve;
        });
      },
    };
    const began = performance.now();
    expect((await of.of(h, slow, listed)).measured).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(1_500);
    answer(reading(0));
    expect((await of.of(h, slow, listed)).vees.size).toBe(0);
    expect(calls).toBe(1);
    const next = await of.of(h, { measure: async () => reading(10) }, listed);
    expect(next.vees.get(v)?.memoryMiB).toBe(7);
  });

  it('are whole numbers that a site takes, whatever a driver says', async () => {
    const of = loads();
    const odd = [1.5, Number.NaN, -1, 1e300, 2].map((kbps, i) => [`v${i}` as VeeId, kbps] as const);
    const vees = new Map([
      [v, { cpuMicros: 0.5, memoryMiB: 7.3 }],
      ['w' as VeeId, { cpuMicros: Number.NaN, memoryMiB: 1 }],
    ]);
    const measure = async () => ({ vees, dirtyKbps: new Map(odd) });
    await of.of(h, { measure }, listed);
    const told = await of.of(h, { measure }, listed);
    expect([...(told.dirtyKbps ?? [])]).toEqual([
      ['v0', 2],
      ['v4', 2],
    ]);
    expect([...told.vees]).toEqual([[v, { cpuMillis: 0, memoryMiB: 7 }]]);
    const halves = { ...listed[0], capacity: { ...capacity, memoryMiB: Number.NaN } } as VeeStatus;
    const unaccounted = await of.of(h, { measure }, [halves]);
    expect(unaccounted.measured).toBeDefined();
    expect(unaccounted).not.toHaveProperty('accounted');
  });

  it('are asked of what has just been listed', async () => {
    const asked: (readonly VeeId[])[] = [];
    const driver = {
      measure: async (ids: readonly VeeId[]) => {
        asked.push(ids);
        return undefined;
      },
    };
    expect(await loads().of(h, driver, listed)).toEqual({ vees: new Map() });
    expect(asked).toEqual([[v]]);
  });
});
