/** From the largest on, in milliseconds; one is used from two of it on. */
const UNITS = [
  { name: 'd', millis: 86_400_000 },
  { name: 'h', millis: 3_600_000 },
  { name: 'min', millis: 60_000 },
  { name: 's', millis: 1_000 },
] as const;

/** How long something takes as people say it, such as `90 s`, `2 h 30 min` or `2 d`, in two units at most. What is left over is dropped. */
export function durationText(millis: number): string {
  const whole = Math.max(0, Math.round(millis));
  if (whole < 1_000) return `${whole} ms`;
  const first = UNITS.findIndex((u, n) => whole >= 2 * u.millis || n === UNITS.length - 1);
  const [unit, next] = [UNITS[first], UNITS[first + 1]];
  if (!unit) return `${whole} ms`;
  const many = Math.floor(whole / unit.millis);
  const rest = next ? Math.floor((whole - many * unit.millis) / next.millis) : 0;
  return `${many} ${unit.name}${next && rest > 0 ? ` ${rest} ${next.name}` : ''}`;
}
