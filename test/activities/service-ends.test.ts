import { changeEnd } from '../../api/change-end';
import type { ServiceRecord } from '../../domain/service/service';
import { hostRecord, LeaseWorld, serviceRecord, size } from '../support/lease-world';

const MINUTE = 60_000;
const HOUR = 3_600_000;

const onHost = (freeAt?: number) =>
  hostRecord('h1', 4, {
    reserved: size(1),
    reservations: { v: { amount: size(1), since: 0, ...(freeAt === undefined ? {} : { freeAt }) } },
  });

function worldOf(until: number, freeAt = until + MINUTE): LeaseWorld {
  const world = new LeaseWorld({ hosts: [onHost(freeAt)], services: [serviceRecord({ until })] });
  world.vees = [{ id: 'v', hostId: 'h1' }];
  return world;
}

describe('a service that is to end', () => {
  it('goes on when its end was put off while the site was looking', async () => {
    const world = worldOf(900, 0);
    world.ending = () => {
      Object.assign(world.services.get('svc-1') ?? {}, { until: 5_000_000, generation: 2 });
      return true;
    };
    await world.activities.seekLeases();
    expect(world.submitted).toEqual([]);
  });

  it('goes on when its end was put off while it was asked for', async () => {
    const world = worldOf(900);
    const create = world.store.operations.create;
    world.store.operations.create = async (o) => {
      Object.assign(world.services.get('svc-1') ?? {}, { until: 5_000_000 });
      return create(o);
    };
    await world.activities.seekLeases();
    expect(world.submitted).toEqual([]);
    expect([...world.operations.values()]).toMatchObject([{ state: 'undone' }]);
  });

  it('is asked for again when that failed, after a while, and is told of once', async () => {
    const world = worldOf(900);
    await world.activities.seekLeases();
    const [first] = world.operations.values();
    Object.assign(first ?? {}, { state: 'failed', endedAt: world.now });
    await world.activities.seekLeases();
    expect(world.operations.size).toBe(1);
    for (let look = 0; look < 12; look++, world.now += 10_000) await world.activities.seekLeases();
    expect(world.operations.size).toBe(2);
    expect(world.kinds('service.overdue')).toMatchObject([{ alert: true, subject: 'svc-1' }]);
  });

  it('holds its place on its host for as long as its record says, also where that has no end any more', async () => {
    const world = worldOf(HOUR, 2 * HOUR);
    await world.activities.seekLeases();
    expect(world.host('h1').reservations.v?.freeAt).toBe(HOUR + MINUTE);
    delete world.services.get('svc-1')?.until;
    await world.activities.seekLeases();
    expect(world.host('h1').reservations.v).toEqual({ amount: size(1), since: 0 });
  });
});

describe('another end', () => {
  const now = Date.now();
  const [T1, T2, T3] = [now + HOUR, now + 2 * HOUR, now + 3 * HOUR] as const;
  const as = { identity: { role: 'tenant', name: 'ann' }, operationId: 'op-1' } as never;
  const change = async (
    world: LeaseWorld,
    until: number | undefined,
    read?: ServiceRecord,
    operations?: object,
  ) =>
    changeEnd(
      { store: world.store as never, ...(operations ? { operations: operations as never } : {}) },
      as,
      read ?? ((await world.store.services.get('svc-1')) as never),
      until,
    )
      .then((s) => s.until ?? 'never')
      .catch((e) => e.code ?? e.message);
  const left = (world: LeaseWorld) => [
    world.services.get('svc-1')?.until,
    (world.host('h1').reservations.v?.freeAt ?? 0) - MINUTE,
  ];

  it('that is refused changes nothing, also not when it stopped half-way before', async () => {
    const world = worldOf(T1);
    const find = world.store.vees.find;
    world.store.vees.find = async () => {
      throw new Error('the process dies here');
    };
    expect(await change(world, T2)).toBe('the process dies here');
    world.store.vees.find = find;
    world.ending = (_, freeAt = Infinity) => freeAt <= T1 + MINUTE;
    expect(await change(world, T2)).toBe('placement-infeasible');
    await world.activities.seekLeases();
    expect(left(world)).toEqual([T1, T1]);
  });

  it('is not taken back with one that is refused beside it', async () => {
    const world = worldOf(T1);
    const read = (await world.store.services.get('svc-1')) as ServiceRecord;
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    world.ending = async (_, freeAt) => freeAt !== T3 + MINUTE || (await answered.then(() => false));
    const refused = change(world, T3, read);
    expect(await change(world, T2, read)).toBe(T2);
    answer();
    expect(await refused).toBe('placement-infeasible');
    expect(left(world)).toEqual([T2, T2]);
  });

  it('is one of two that are set at once: the other is told so', async () => {
    const world = worldOf(T1);
    const read = (await world.store.services.get('svc-1')) as ServiceRecord;
    expect([await change(world, T3, read), await change(world, T2, read)]).toEqual([T3, 'conflict']);
    expect(left(world)).toEqual([T3, T3]);
  });

  it('is not set when the site has begun to end it meanwhile', async () => {
    const world = worldOf(T1);
    world.ending = () => {
      world.operations.set('op-2', { id: 'op-2', kind: 'service.decommission', serviceId: 'svc-1' } as never);
      return true;
    };
    expect(await change(world, T2)).toBe('operation-in-progress');
    expect(left(world)).toEqual([T1, T1]);
  });

  it('withdraws what waits to end it, also while something else is at work on it', async () => {
    const world = worldOf(now - 1_000);
    const kind = 'service.decommission';
    const ending = {
      id: 'op-2',
      kind,
      serviceId: 'svc-1',
      requestedBy: 'site',
      requestId: `until-${now - 1_000}`,
    };
    const stuck = { id: 'op-1', kind: 'service.scale', serviceId: 'svc-1', state: 'stuck' };
    world.operations.set('op-1', stuck as never);
    world.operations.set('op-2', { ...ending, state: 'running' } as never);
    const withdrawn: string[] = [];
    const operations = {
      cancel: async ({ id }: { id: string }) => {
        withdrawn.push(id);
        Object.assign(world.operations.get(id) ?? {}, { state: 'undone', endedAt: now });
      },
    };
    expect(await change(world, T1, undefined, operations)).toBe('operation-in-progress');
    world.operations.set('op-2', { ...ending, state: 'queued' } as never);
    expect(await change(world, now - 1, undefined, operations)).toBe('request-invalid');
    world.ending = () => false;
    expect(await change(world, T1, undefined, operations)).toBe('placement-infeasible');
    expect(withdrawn).toEqual([]);
    world.ending = () => true;
    expect(await change(world, T1, undefined, operations)).toBe(T1);
    expect([withdrawn, left(world)]).toEqual([['op-2'], [T1, T1]]);
  });

  it('is none for what may take longer to stop than there is time for that', async () => {
    const world = worldOf(T1);
    const component = { name: 'db', stopGraceMillis: 41_000 };
    world.store.services.manifest = async () =>
      ({ components: [component], topology: { dependencies: [] } }) as never;
    expect(await change(world, T2)).toBe('request-invalid');
    expect(await change(world, undefined)).toBe('never');
  });

  it('that is earlier is set whatever hosts have promised', async () => {
    const world = worldOf(T3);
    expect(await change(world, T1)).toBe(T1);
    expect(left(world)).toEqual([T1, T1]);
  });
});
