interface Span {
  readonly name: string;
  readonly from: number;
  readonly until: number;
}

const WIDTH = 48;

/**
 * When a reservation is, and what uses it, in characters: one column is an equal part of the time from now, or from its
 * beginning if that is over, until its end. The bar stands at now.
 */
export function timeLine(
  lease: Span,
  services: readonly { readonly name: string; readonly until?: number }[],
  now: number,
): string[] {
  const begin = Math.min(now, lease.from);
  const millis = Math.max(1, Math.max(lease.until, now) - begin);
  const columnOf = (at: number) =>
    Math.round(((Math.min(Math.max(at, begin), begin + millis) - begin) / millis) * WIDTH);
  const row = ({ name, from, until }: Span, mark: string): string => {
    const cells = Array.from({ length: WIDTH }, (_, n) =>
      n >= columnOf(from) && n < Math.max(columnOf(until), columnOf(from) + 1) ? mark : '·',
    );
    cells.splice(Math.min(columnOf(now), WIDTH - 1), 0, '|');
    return `${cells.join('')} ${name}`;
  };
  return [
    row(lease, '='),
    ...services.map((s) => row({ name: s.name, from: now, until: s.until ?? lease.until }, '#')),
  ];
}
