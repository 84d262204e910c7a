import fc from 'fast-check';
import { intervalsOf, type LedgerEvent, ledgerFaults, usageOf } from '../../domain/accounting/ledger';
import type { HostId, OperationId, ServiceId, TenantId, VeeId } from '../../domain/ids';

function event(
  seq: number,
  at: number,
  kind: LedgerEvent['kind'],
  overrides: Partial<LedgerEvent> = {},
): LedgerEvent {
  return {
    id: `vee-1/${seq}`,
    veeId: 'vee-1' as VeeId,
    seq,
    kind,
    at,
    tenantId: 'acme' as TenantId,
    serviceId: 'svc-1' as ServiceId,
    component: 'app',
    index: 0,
    hostId: 'h1' as HostId,
    state: 'ACTIVE',
    capacity: { cpuMillis: 500, memoryMiB: 64, diskMiB: 0, bandwidthKbps: 0 },
    operationId: 'op-1' as OperationId,
    step: kind,
    ...overrides,
  };
}

const life = fc
  .array(
    fc.tuple(
      fc.integer({ min: 0, max: 10_000 }),
      fc.constantFrom('state', 'moved', 'resized'),
      fc.integer({ min: 1, max: 64_000 }),
      fc.constantFrom('h1', 'h2'),
    ),
    { maxLength: 12 },
  )
  .map((steps) => {
    let at = 1_000;
    const events = [event(0, at, 'activated')];
    for (const [gap, kind, cpuMillis, hostId] of steps) {
      at += gap;
      const capacity = { cpuMillis, memoryMiB: 64, diskMiB: 0, bandwidthKbps: 0 };
      events.push(
        event(events.length, at, kind as LedgerEvent['kind'], {
          capacity,
          hostId: hostId as HostId,
          state: kind === 'state' ? 'PAUSED' : 'ACTIVE',
        }),
      );
    }
    return [...events, event(events.length, at + 7, 'destroyed')];
  });

describe('the usage ledger', () => {
  it('turns events into contiguous intervals from activation to destruction', () => {
    fc.assert(
      fc.property(life, (events) => {
        const intervals = intervalsOf(events);
        expect(ledgerFaults(events)).toEqual([]);
        expect(intervals[0]?.from).toBe(events[0]?.at);
        expect(intervals.at(-1)?.to).toBe(events.at(-1)?.at);
        expect(intervals.slice(1).map((i) => i.from)).toEqual(intervals.slice(0, -1).map((i) => i.to));
      }),
    );
  });

  it('adds up: the usage of two adjacent periods is that of the whole, to the last unit', () => {
    fc.assert(
      fc.property(life, fc.integer({ min: 0, max: 130_000 }), (events, cut) => {
        const [from, to] = [0, 200_000];
        const parts = [usageOf(events, { from, to: cut }), usageOf(events, { from: cut, to })];
        const whole = usageOf(events, { from, to });
        for (const unit of ['cpuMillisMilliseconds', 'memoryMiBMilliseconds'] as const)
          expect(parts.reduce((n, p) => n + BigInt(p?.[unit] ?? 0), 0n)).toBe(BigInt(whole?.[unit] ?? 0));
        expect(parts.reduce((n, p) => n + (p?.heldMillis ?? 0), 0)).toBe(whole?.heldMillis);
      }),
    );
  });

  it('counts an open interval up to the end of the period, and a pause as held but not active', () => {
    const events = [event(0, 1_000, 'activated'), event(1, 3_000, 'state', { state: 'PAUSED' })];
    expect(usageOf(events, { from: 0, to: 10_000 })).toMatchObject({
      activeMillis: 2_000,
      heldMillis: 9_000,
      cpuMillisMilliseconds: '4500000',
    });
  });

  it('sums what devices were held over all intervals', () => {
    const having = (gpu: number) => ({ ...event(0, 0, 'activated').capacity, devices: { gpu } });
    const events = [
      event(0, 1_000, 'activated', { capacity: having(2) }),
      event(1, 3_000, 'moved', { capacity: having(2) }),
      event(2, 4_000, 'resized', { capacity: having(1) }),
    ];
    expect(usageOf(events, { from: 0, to: 10_000 })?.devicesMilliseconds).toEqual({ gpu: '12000' });
  });

  it('does not lose precision where numbers would', () => {
    const capacity = { cpuMillis: 256_000, memoryMiB: 1, diskMiB: 0, bandwidthKbps: 0 };
    const decade = 315_360_000_001;
    expect(
      usageOf([event(0, 0, 'activated', { capacity })], { from: 0, to: decade })?.cpuMillisMilliseconds,
    ).toBe('80732160000256000');
  });

  it.each([
    ['a hole', [event(0, 1, 'activated'), event(2, 5, 'destroyed')], /hole/],
    ['a second activation', [event(0, 1, 'activated'), event(1, 2, 'activated')], /"activated"/],
    ['time running backwards', [event(0, 9, 'activated'), event(1, 2, 'state')], /before/],
    [
      'life after destruction',
      [event(0, 1, 'activated'), event(1, 2, 'destroyed'), event(2, 3, 'state')],
      /follows the destruction/,
    ],
    ['a first event that is no activation', [event(0, 1, 'state')], /"state"/],
  ])('finds %s', (_, events, fault) => {
    expect(ledgerFaults(events).join()).toMatch(fault);
  });
});
