const DAY_MILLIS = 86_400_000;

/**
 * An instant as people read it, such as `2026-12-01T08:00Z`, with seconds only where there are some (ISO 8601).
 * @param at milliseconds since 1970
 */
export function utcText(at: number): string {
  const days = Math.floor(at / DAY_MILLIS);
  const [year, month, day] = dateOf(days);
  const seconds = Math.floor((at - days * DAY_MILLIS) / 1000);
  const time = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60].map(padded).join(':');
  const rest = seconds % 60 === 0 ? '' : `:${padded(seconds % 60)}`;
  return `${String(year).padStart(4, '0')}-${padded(month)}-${padded(day)}T${time}${rest}Z`;
}

const padded = (n: number): string => String(n).padStart(2, '0');

/** Of days since 1970: H. Hinnant, “chrono-compatible low-level date algorithms”, civil_from_days. */
function dateOf(days: number): readonly [year: number, month: number, day: number] {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day];
}
