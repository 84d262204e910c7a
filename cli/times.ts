import { CliError, EXIT } from './exit-codes';

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Such as `90s`, `2h` or `1h30m`. @throws CliError with the usage code */
export function durationOf(flag: string, given: string): number {
  const parts = [...given.matchAll(/(\d+)([smhdw])/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== given)
    throw new CliError(`${flag} takes a duration such as 90s, 2h or 1h30m, not "${given}".`, EXIT.usage);
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * (UNITS[unit ?? ''] ?? 0), 0);
}

/** ISO 8601 with its zone: without one it would mean something else on another machine. */
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/** A time, or a duration from now on. @returns milliseconds since 1970 @throws CliError with the usage code */
export function timeOf(flag: string, given: string, now = Date.now()): number {
  if (/^(\d+[smhdw])+$/.test(given)) return now + durationOf(flag, given);
  const at = ISO.test(given) ? Date.parse(given) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new CliError(
    `${flag} takes a time such as 2026-12-01T08:00Z, or a duration from now such as 2h, not "${given}".`,
    EXIT.usage,
  );
}
