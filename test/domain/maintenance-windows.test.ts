import fc from 'fast-check';
import { isInWindow, maintenanceWindowSchema } from '../../domain/manifest/maintenance-windows';

const at = (iso: string) => Date.parse(iso);

describe('maintenance windows', () => {
  it.each([
    // 2026-11-28 is a Saturday.
    [{ from: '22:00', to: '23:00' }, '2026-11-28T22:00:00Z', true],
    [{ from: '22:00', to: '23:00' }, '2026-11-28T22:59:59Z', true],
    [{ from: '22:00', to: '23:00' }, '2026-11-28T23:00:00Z', false],
    [{ from: '22:00', to: '23:00' }, '2026-11-28T21:59:59Z', false],
    [{ from: '22:00', to: '05:00' }, '2026-11-28T04:00:00Z', true],
    [{ from: '22:00', to: '05:00', days: ['sat'] }, '2026-11-28T04:00:00Z', false],
    [{ from: '22:00', to: '05:00', days: ['sat'] }, '2026-11-29T04:00:00Z', true],
    [{ from: '22:00', to: '05:00', days: ['sat'] }, '2026-11-29T22:00:00Z', false],
    [{ from: '12:00', to: '12:00', days: ['sat'] }, '2026-11-29T11:59:00Z', true],
    // Berlin is an hour ahead of UTC in winter, and two in summer.
    [{ from: '23:00', to: '23:30', timeZone: 'Europe/Berlin' }, '2026-11-28T22:15:00Z', true],
    [{ from: '23:00', to: '23:30', timeZone: 'Europe/Berlin' }, '2026-07-28T22:15:00Z', false],
    [{ from: '23:00', to: '23:30', timeZone: 'Europe/Berlin' }, '2026-07-28T21:15:00Z', true],
    [{ from: '00:00', to: '01:00', days: ['sun'], timeZone: 'Europe/Berlin' }, '2026-11-28T23:30:00Z', true],
  ])('%j at %s: %s', (window, instant, open) => {
    expect(isInWindow([maintenanceWindowSchema.parse(window)], at(instant))).toBe(open);
  });

  it('are open as long as they say, on each day that they say', () => {
    const time = fc
      .nat(1_439)
      .map((m) => `${`${Math.floor(m / 60)}`.padStart(2, '0')}:${`${m % 60}`.padStart(2, '0')}`);
    fc.assert(
      fc.property(time, time, (from, to) => {
        const minutes = (t: string) => 60 * Number(t.slice(0, 2)) + Number(t.slice(3));
        const length = (minutes(to) - minutes(from) + 1_440) % 1_440 || 1_440;
        const open = (days: ['sat'] | undefined) =>
          Array.from({ length: 7 * 1_440 }, (_, m) => at('2026-11-23T00:00:00Z') + m * 60_000).filter((t) =>
            isInWindow([maintenanceWindowSchema.parse({ from, to, ...(days ? { days } : {}) })], t),
          ).length;
        expect(open(['sat'])).toBe(length);
        expect(open(undefined)).toBe(7 * length);
      }),
      { numRuns: 3 },
    );
  });

  it.each([
    { from: '24:00', to: '01:00' },
    { from: '1:00', to: '02:00' },
    { from: '01:00', to: '02:00', days: [] },
  ])('%j is refused', (window) => {
    expect(maintenanceWindowSchema.safeParse(window).success).toBe(false);
  });

  it('are by a clock that there is', () => {
    const told = maintenanceWindowSchema.safeParse({ from: '01:00', to: '02:00', timeZone: 'Mars/Olympus' });
    expect(told.error?.issues[0]).toMatchObject({ path: ['timeZone'], message: 'no such IANA time zone' });
  });
});
