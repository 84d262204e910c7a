import fc from 'fast-check';
import type { HostId } from '../../domain/ids';
import { planReturn } from '../../domain/maintenance/plan';
import { planSingleMove } from '../../domain/migration/deadline';
import { estimateMigration } from '../../domain/migration/estimate';
import { type Move, meetDeadline, scheduleMoves } from '../../domain/migration/waves';
import { supersedes, verdict } from '../../domain/operation/conflicts';
import { OPERATION_KINDS, type OperationInput } from '../../domain/operation/operation';

const capacity = (memoryMiB: number, diskMiB = 0) => ({
  cpuMillis: 100,
  memoryMiB,
  diskMiB,
  bandwidthKbps: 0,
});
const move = (i: number, from: string, to: string, memoryMiB = 1_024): Move => ({
  veeId: `vee-${i}`,
  from: from as HostId,
  to: to as HostId,
  capacity: capacity(memoryMiB),
  stopGraceMillis: 1_000,
  mode: 'pre-copy',
});

describe('the estimate of a migration', () => {
  it('is what the link needs for the memory, and more while it is written meanwhile', () => {
    // 1,024 MiB at 1 Gbit/s: 8,589,934,592 bits / 1e6 per millisecond = 8,590 ms.
    expect(estimateMigration(capacity(1_024), 'stop-and-copy', 1_000_000, 0).totalMillis).toBe(8_590 + 300);
    const live = estimateMigration(capacity(1_024), 'pre-copy', 1_000_000, 0);
    expect(live.totalMillis).toBe(Math.ceil(8_590 / 0.75) + 300);
    expect(live.stillMillis).toBeLessThan(1_000);
    const cold = estimateMigration(capacity(1_024, 2_048), 'cold', 1_000_000, 500);
    expect(cold).toMatchObject({ totalMillis: 500 + 17_180 + 300, stillMillis: 500 + 17_180 + 300 });
  });
});

describe('a wave of migrations', () => {
  it('takes as long as memory is written meanwhile, where it is known how fast', () => {
    const budget = { linkKbps: 1_000_000, streamKbps: 1_000_000 };
    const at = (dirtyKbps: number) =>
      scheduleMoves([move(1, 'host-1', 'host-2')], { ...budget, dirtyKbps }).totalMillis;
    expect(at(0)).toBe(8_590 + 300);
    expect(at(500_000)).toBeGreaterThan(1.9 * 8_590);
    // It never gets less: stilled after the first round.
    expect(at(1_000_000)).toBe(at(9_000_000));
    expect(at(1_000_000)).toBe(2 * 8_590 + 300);
  });
});

describe('one VEE', () => {
  const budget = { linkKbps: 1_000_000, streamKbps: 250_000 };
  const vee = { id: 'vee-1', hostId: 'host-1', template: { capacity: capacity(1_024), stopGraceMillis: 0 } };
  const source = { fingerprint: { capabilities: { migration: 'live' } } };
  const single = (deadline: Parameters<typeof planSingleMove>[3] = {}) =>
    planSingleMove(vee as never, source as never, budget, deadline);

  it('takes as long as a group of one', () => {
    const { totalMillis } = scheduleMoves([move(1, 'host-1', 'host-2')], budget);
    expect(single()).toEqual({ mode: 'pre-copy', estimatedMillis: totalMillis });
    const stilled = single({ deadlineMillis: totalMillis - 1, onDeadline: 'escalate' });
    expect(stilled).toEqual({ mode: 'stop-and-copy', estimatedMillis: 8_590 + 300 });
    expect(() => single({ deadlineMillis: 1 })).toThrow(
      `It needs about ${totalMillis} ms, 8890 ms when stilled meanwhile; the deadline is 1 ms.`,
    );
  });
});

const moves = fc
  .array(fc.tuple(fc.nat(4), fc.nat(4), fc.integer({ min: 64, max: 8_192 })), { maxLength: 40 })
  .map((all) =>
    all.filter(([a, b]) => a !== b).map(([a, b, mib], i) => move(i, `host-${a}`, `host-${b}`, mib)),
  );

describe('waves', () => {
  it('hold each move once, and never more on a link than leave each its share', () => {
    fc.assert(
      fc.property(moves, fc.integer({ min: 1, max: 5 }), (all, streams) => {
        const { waves } = scheduleMoves(all, {
          linkKbps: 1_000_000,
          streamKbps: Math.floor(1_000_000 / streams),
        });
        expect(waves.flat().sort((a, b) => a - b)).toEqual(all.map((_, i) => i));
        for (const wave of waves) {
          const ends = wave.flatMap((i) => [all[i]?.from, all[i]?.to]);
          for (const host of new Set(ends))
            expect(ends.filter((e) => e === host).length).toBeLessThanOrEqual(streams);
        }
      }),
    );
  });

  it('meet a deadline exactly when they take no longer, and escalate only when asked and needed', () => {
    fc.assert(
      fc.property(
        moves,
        fc.integer({ min: 1, max: 600_000 }),
        fc.constantFrom('refuse', 'escalate'),
        (all, by, on) => {
          const budget = { linkKbps: 1_000_000, streamKbps: 250_000 };
          const answer = meetDeadline(all, budget, by, on as 'refuse' | 'escalate');
          const usual = scheduleMoves(all, budget).totalMillis;
          if (usual <= by) expect(answer.kind).toBe('met');
          else if (on === 'refuse') expect(answer.kind).toBe('unmeetable');
          if (answer.kind === 'escalated') expect(answer.schedule.totalMillis).toBeLessThanOrEqual(by);
          if (answer.kind === 'unmeetable' && on === 'escalate')
            expect(answer.quickestMillis).toBeGreaterThan(by);
        },
      ),
    );
  });
});

const op = (kind: string, rest: Partial<OperationInput> = {}): OperationInput =>
  ({ operationId: `op-${kind}`, kind, params: {}, ...rest }) as OperationInput;

describe('what may run beside what', () => {
  const scale = (component: string) => op('service.scale', { params: { component } });
  const system = { parentId: 'op-drain' } as unknown as Partial<OperationInput>;
  const on = (vee: string) => ({ veeId: vee }) as unknown as Partial<OperationInput>;

  it.each([
    ['two verbs on different VEEs', op('vee.pause', on('a')), op('vee.resize', on('b')), 'together'],
    ['two verbs on one VEE', op('vee.pause', on('a')), op('vee.resize', on('a')), 'refuse'],
    ['a migration beside any other', op('vee.migrate', on('a')), op('vee.pause', on('b')), 'refuse'],
    ['two scalings of one array', scale('app'), scale('app'), 'queue'],
    ['scalings of two arrays', scale('app'), scale('db'), 'refuse'],
    ['a drain’s migration behind a scaling', op('service.migrate', system), scale('app'), 'queue'],
    ['a scaling behind a drain’s migration', scale('app'), op('service.migrate', system), 'queue'],
    ['anything behind the end of a service', op('vee.pause', on('a')), op('service.decommission'), 'refuse'],
    [
      'a drain’s migration behind that end',
      op('service.migrate', system),
      op('service.decommission'),
      'refuse',
    ],
    ['two drains of one host', op('host.drain'), op('host.drain'), 'refuse'],
    [
      'the recovery of a host that is lost while it is drained',
      op('host.recover'),
      op('host.drain'),
      'together',
    ],
    [
      'the recovery of a host that is lost while it is restored',
      op('host.recover'),
      op('host.restore'),
      'together',
    ],
    ['a restore during a recovery', op('host.restore'), op('host.recover'), 'refuse'],
    ['a restore during a drain', op('host.restore'), op('host.drain'), 'refuse'],
    ['a shutdown during a power-up', op('site.shutdown'), op('site.power-up'), 'refuse'],
  ] as const)('%s: %#', (_what, asked, held, expected) => {
    expect(verdict(asked, held)).toBe(expected);
  });

  it('never lets two that may not run together do so whichever comes first', () => {
    const apart = (a: OperationInput, b: OperationInput) => verdict(a, b) !== 'together';
    const kinds = OPERATION_KINDS.filter((k) => !k.startsWith('host.') && !k.startsWith('site.'));
    for (const a of kinds)
      for (const b of kinds)
        expect([a, b, apart(op(a, on('x')), op(b, on('x')))]).toEqual([
          a,
          b,
          apart(op(b, on('x')), op(a, on('x'))),
        ]);
  });

  it('lets only a scaling of the same array take another’s place', () => {
    expect(supersedes(scale('app'), scale('app'))).toBe(true);
    expect(supersedes(scale('app'), scale('db'))).toBe(false);
    expect(supersedes(op('service.suspend'), scale('app'))).toBe(false);
  });
});

describe('what comes back to a host after maintenance', () => {
  const departed = { veeId: 'vee-1', serviceId: 'svc-1', epoch: 2 };
  const plan = (vee: object | undefined) =>
    planReturn(
      { id: 'host-1', maintenance: { left: [departed] } } as never,
      vee
        ? [{ id: 'vee-1', serviceId: 'svc-1', hostId: 'host-2', epoch: 2, state: 'ACTIVE', ...vee } as never]
        : [],
    );

  it('is what is still as it was when it left', () => {
    expect(plan({}).back).toEqual([{ veeId: 'vee-1', serviceId: 'svc-1' }]);
  });

  it.each([
    ['gone', undefined, 'it is gone'],
    ['ended', { state: 'DESTROYED' }, 'it is gone'],
    ['back already', { hostId: 'host-1' }, 'it is here already'],
    ['moved again', { epoch: 3 }, 'it was moved again meanwhile'],
    ['paused', { state: 'PAUSED' }, 'it is PAUSED: somebody stopped it meanwhile'],
  ])('is not one that is %s', (_what, vee, because) => {
    expect(plan(vee)).toMatchObject({ back: [], staying: [{ because }] });
  });
});
