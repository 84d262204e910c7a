import { z } from 'zod';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const DAY_MINUTES = 1_440;
const timeOfDay = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'give hours and minutes as HH:MM, up to 23:59');

export const maintenanceWindowSchema = z.strictObject({
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .max(7)
    .optional()
    .describe('On which it begins; every day when left out'),
  from: timeOfDay,
  to: timeOfDay.describe('On the next day when it is not after `from`'),
  timeZone: z
    .string()
    .max(64)
    .refine(isTimeZone, 'no such IANA time zone')
    .optional()
    .describe('IANA name, such as Europe/Berlin; UTC when left out'),
});

export type MaintenanceWindow = z.infer<typeof maintenanceWindowSchema>;

/** Is an instant within any of these, by the clocks of their time zones? */
export const isInWindow = (windows: readonly MaintenanceWindow[], at: number): boolean =>
  windows.some((w) => isWithin(w, at));

function isWithin({ days, from, to, timeZone = 'UTC' }: MaintenanceWindow, at: number): boolean {
  const { day, minute } = localTime(at, timeZone);
  const [begin, end] = [minutesOf(from), minutesOf(to)];
  const opensOn = (weekday: number) =>
    !days || days.includes(DAYS[(weekday + 7) % 7] as (typeof DAYS)[number]);
  const length = end > begin ? end - begin : end - begin + DAY_MINUTES;
  const since = minute - begin;
  if (since >= 0) return since < length && opensOn(day);
  // What began yesterday may still be open.
  return since + DAY_MINUTES < length && opensOn(day - 1);
}

function localTime(at: number, timeZone: string): { readonly day: number; readonly minute: number } {
  const parts = clockOf(timeZone).formatToParts(at);
  const part = (type: string) => parts.find((p) => p.type === type)?.value ?? '';
  const day = DAYS.indexOf(part('weekday').toLowerCase() as (typeof DAYS)[number]);
  return { day, minute: 60 * Number(part('hour')) + Number(part('minute')) };
}

/** Making one takes as long as some hundred readings of it; there are some hundred time zones. */
const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  });
  clocks.set(timeZone, made);
  return made;
}

const minutesOf = (time: string): number => 60 * Number(time.slice(0, 2)) + Number(time.slice(3));

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
