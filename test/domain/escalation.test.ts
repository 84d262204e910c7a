import fc from 'fast-check';
import type { HostId } from '../../domain/ids';
import { leftUntil, planSingleMove, sendLimits } from '../../domain/migration/deadline';
import { escalationAt, escalationOfDisk } from '../../domain/migration/escalation';
import { describeUnmeetable, type Move, meetDeadline, scheduleMoves } from '../../domain/migration/waves';

const ORDER = ['none', 'throttle', 'still'];

describe('a machine that has to be elsewhere by a deadline', () => {
  const underway = fc.record({
    deadlineMillis: fc.integer({ min: 100, max: 1e6 }),
    elapsedMillis: fc.nat(2e6),
    remainingBytes: fc.nat(1e9),
    bytesPerSecond: fc.integer({ min: 1, max: 1e9 }),
  });

  it('is stilled in time, and never let go again: later, and with more to send, no less is done', () => {
    fc.assert(
      fc.property(underway, fc.nat(1e6), fc.nat(1e9), (at, later, more) => {
        const now = ORDER.indexOf(escalationAt(at));
        const then = { ...at, elapsedMillis: at.elapsedMillis + later };
        const fuller = { ...at, remainingBytes: at.remainingBytes + more };
        expect(ORDER.indexOf(escalationAt(then))).toBeGreaterThanOrEqual(now);
        expect(ORDER.indexOf(escalationAt(fuller))).toBeGreaterThanOrEqual(now);
        if (at.elapsedMillis * 3 >= at.deadlineMillis * 2) expect(escalationAt(at)).toBe('still');
      }),
    );
  });

  it('is left alone while it is on its way to be there in time', () => {
    const at = { deadlineMillis: 30_000, elapsedMillis: 2_000, remainingBytes: 50e6, bytesPerSecond: 10e6 };
    expect(escalationAt(at)).toBe('none');
    expect(escalationAt({ ...at, remainingBytes: 300e6 })).toBe('throttle');
    expect(escalationAt({ ...at, elapsedMillis: 10_000, remainingBytes: 300e6 })).toBe('still');
  });
});

describe('a machine whose disk is copied first, by a deadline', () => {
  const at = { deadlineMillis: 90_000, elapsedMillis: 31_000, remainingBytes: 200e6, bytesPerSecond: 10e6 };

  it('is stilled when what is left of its disk, and all of its memory, would be late as it runs', () => {
    expect(escalationOfDisk(at, 100e6)).toBe('none');
    expect(escalationOfDisk(at, 400e6)).toBe('still');
    expect(escalationOfDisk({ ...at, bytesPerSecond: 5e6 }, 100e6)).toBe('still');
  });

  it('runs on while nothing is known yet, early on, and as long as it is in time', () => {
    expect(escalationOfDisk({ ...at, elapsedMillis: 20_000 }, 400e6)).toBe('none');
    const { bytesPerSecond: _, ...unknown } = at;
    expect(escalationOfDisk(unknown, 400e6)).toBe('none');
    // Memory would be stilled at that time; a copy of a disk has an end.
    expect(escalationOfDisk({ ...at, elapsedMillis: 65_000, remainingBytes: 40e6 }, 100e6)).toBe('none');
  });
});

describe('what was measured of a VEE', () => {
  const budget = { linkKbps: 1_000_000, streamKbps: 250_000 };
  const hostId = 'host-1' as HostId;
  const capacity = { cpuMillis: 1_000, memoryMiB: 1_024, diskMiB: 0, bandwidthKbps: 0 };
  const vee = { id: 'vee-1', hostId, template: { capacity, stopGraceMillis: 0 } };
  const source = (dirtyKbps?: number) => ({
    fingerprint: { capabilities: { migration: 'live' } },
    reported: [{ veeId: 'vee-1', epoch: 1, state: 'ACTIVE', dirtyKbps }],
  });
  const plan = (dirtyKbps: number | undefined, asked: object, b = budget) =>
    planSingleMove(vee as never, source(dirtyKbps) as never, b, asked);

  it('counts for its own migration, before what is set for all', () => {
    const [slow, fast] = [1_000, 500_000].map((kbps) => plan(kbps, {}).estimatedMillis);
    expect(fast).toBeGreaterThan((slow ?? 0) * 1.3);
    expect(plan(1_000, {}, { ...budget, dirtyKbps: 900_000 } as never).estimatedMillis).toBe(slow);
  });

  it('is a reason to refuse a deadline that can’t be met as it runs, and says what would do', () => {
    const asked = { deadlineMillis: 60_000 };
    expect(() => plan(2_000_000, asked)).toThrow(
      /writes its memory at 2000000 kbit\/s, faster than it can be sent/,
    );
    expect(plan(2_000_000, { ...asked, onDeadline: 'escalate' })).toMatchObject({ mode: 'stop-and-copy' });
    expect(plan(2_000_000, {})).toMatchObject({ mode: 'pre-copy' });
    // What is enough of a link is not enough of the share that one may have.
    expect(plan(200_000, asked).mode).toBe('pre-copy');
    expect(() => plan(200_000, asked, { ...budget, mostKbps: 100_000 } as never)).toThrow(/faster/);
  });

  it('is held against what is left of the link in its wave, and says how much that is', () => {
    const [first, second] = ['host-2', 'host-3'].map((to, i): Move => {
      const move = { veeId: `v${i}`, from: hostId, to: to as HostId, capacity, stopGraceMillis: 0 };
      return { ...move, mode: 'pre-copy', dirtyKbps: 600_000 };
    }) as [Move, Move];
    expect(meetDeadline([first], budget, 60_000, 'refuse').kind).toBe('met');
    const verdict = meetDeadline([first, second], budget, 60_000, 'refuse');
    expect(verdict).toMatchObject({ kind: 'unmeetable', diverging: { move: first, kbps: 500_000 } });
    expect(describeUnmeetable(2, verdict as never, 60_000)).toMatch(/600000 kbit.*be sent \(500000 kbit/);
    expect(meetDeadline([first, second], budget, 60_000, 'escalate').kind).toBe('escalated');
    // One after the other, each has the link to itself.
    const narrow = { linkKbps: 1_000_000, streamKbps: 1_000_000 };
    expect(meetDeadline([first, second], narrow, 60_000, 'refuse').kind).toBe('met');
  });

  it('never makes a group look quicker than its slowest', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3_000_000), { minLength: 1, maxLength: 5 }), (rates) => {
        const moves = rates.map((dirtyKbps, i): Move => {
          const to = `host-${i + 2}` as HostId;
          return {
            veeId: `v${i}`,
            from: hostId,
            to,
            capacity,
            stopGraceMillis: 0,
            mode: 'pre-copy',
            dirtyKbps,
          };
        });
        const verdict = meetDeadline(moves, budget, 1e9, 'refuse');
        // Four at most share the link of their source, and the fifth has it to itself.
        const sharing = Math.min(rates.length, 4);
        const endless = rates.some((r, i) => r >= Math.floor(budget.linkKbps / (i < 4 ? sharing : 1)));
        expect(verdict.kind).toBe(endless ? 'unmeetable' : 'met');
      }),
    );
  });

  it('is hurried on its way only where that was asked for', () => {
    const beganAt = 10_000;
    const allowMillis = Math.ceil((4 * 1_024 * 1_048_576 * 8) / budget.streamKbps);
    expect(sendLimits(capacity, budget, { deadlineMillis: 5_000 }, { beganAt })).toEqual({ allowMillis });
    const asked = { deadlineMillis: 5_000, onDeadline: 'escalate' } as const;
    const narrow = sendLimits(capacity, { ...budget, mostKbps: 8_000 }, asked, { beganAt });
    expect(narrow).toMatchObject({ bandwidthKbps: 8_000, deadlineMillis: 5_000, deadlineAt: 15_000 });
    expect(narrow.allowMillis).toBeGreaterThan(allowMillis);
  });

  it('has what is left of the deadline, whichever attempt it is, and not what belongs to later waves', () => {
    const asked = { deadlineMillis: 90_000, onDeadline: 'escalate' } as const;
    const first = sendLimits(capacity, budget, asked, { beganAt: 1e6, laterMillis: 30_000 });
    expect(leftUntil(first, 1e6)).toEqual({ deadlineMillis: 60_000 });
    expect(leftUntil(first, 1e6 + 45_000)).toEqual({ deadlineMillis: 15_000 });
    expect(leftUntil(first, 1e6 + 100_000)).toEqual({ deadlineMillis: 1 });
    // A host whose clock is late; a site worker that tells no time; no deadline.
    expect(leftUntil(first, 1e6 - 50_000)).toEqual({ deadlineMillis: 60_000 });
    expect(leftUntil({ deadlineMillis: 7_000 }, 1e6)).toEqual({ deadlineMillis: 7_000 });
    expect(leftUntil(sendLimits(capacity, budget, {}, { beganAt: 1e6 }), 1e6)).toEqual({});
  });

  it('takes its time in its wave, and waves one after the other', () => {
    const move = (i: number): Move => ({
      ...{ veeId: `v${i}`, from: hostId, to: `host-${i + 2}` as HostId, capacity, stopGraceMillis: 0 },
      mode: 'pre-copy',
    });
    const { waves, waveMillis, totalMillis } = scheduleMoves([0, 1, 2, 3, 4].map(move), budget);
    expect(waves.map((w) => w.length)).toEqual([4, 1]);
    // Four share the link, and the last has it to itself.
    expect((waveMillis[0] ?? 0) / (waveMillis[1] ?? 1)).toBeGreaterThan(3.5);
    expect((waveMillis[0] ?? 0) + (waveMillis[1] ?? 0)).toBe(totalMillis);
  });
});
