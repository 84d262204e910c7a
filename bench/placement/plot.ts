/** How far above the best bound what was found by then is. */
export interface Curve {
  readonly name: string;
  readonly points: readonly { readonly millis: number; readonly gap: number }[];
  readonly untilMillis: number;
}

const WIDTH = 860;
const HEIGHT = 420;
const LEFT = 60;
const BOTTOM = 370;
const TOP = 40;
const RIGHT = 640;
const MOST_GAP = 0.25;
const COLOURS = ['#0b6e4f', '#c8553d', '#2d5d9f', '#8a4fa3', '#b8860b', '#3a3a3a', '#d1495b'];

/** The best answer so far over time, the time on a logarithmic scale, as an SVG. */
export function qualityOverTime(curves: readonly Curve[]): string {
  const last = Math.max(1, ...curves.map((c) => c.untilMillis));
  const x = (millis: number) => LEFT + (Math.log10(Math.max(1, millis)) / Math.log10(last)) * (RIGHT - LEFT);
  const y = (gap: number) => BOTTOM - (Math.min(gap, MOST_GAP) / MOST_GAP) * (BOTTOM - TOP);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<title>How far above the best bound the best placement is, over time</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="22" font-size="14">How far above the best bound the best placement is, over time</text>`,
  ];
  for (let gap = 0; gap <= MOST_GAP + 1e-9; gap += 0.05)
    parts.push(
      `<line x1="${LEFT}" y1="${y(gap)}" x2="${RIGHT}" y2="${y(gap)}" stroke="#ddd"/>`,
      `<text x="${LEFT - 8}" y="${y(gap) + 4}" text-anchor="end">${Math.round(gap * 100)} %</text>`,
    );
  for (let millis = 1; millis <= last; millis *= 10)
    parts.push(
      `<line x1="${x(millis)}" y1="${TOP}" x2="${x(millis)}" y2="${BOTTOM}" stroke="#ddd"/>`,
      `<text x="${x(millis)}" y="${BOTTOM + 18}" text-anchor="middle">${millis < 1_000 ? `${millis} ms` : `${millis / 1_000} s`}</text>`,
    );
  for (const [n, { name, points, untilMillis }] of curves.entries()) {
    const colour = COLOURS[n % COLOURS.length] ?? 'black';
    const steps = points.flatMap((p, i) => {
      const before = points[i - 1];
      return [...(before ? [[x(p.millis), y(before.gap)]] : []), [x(p.millis), y(p.gap)]];
    });
    const end = points.at(-1);
    if (end) steps.push([x(untilMillis), y(end.gap)]);
    const line = steps.map(([a = 0, b = 0]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' ');
    parts.push(
      `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="1.8"/>`,
      `<text x="${RIGHT + 14}" y="${TOP + 14 + 20 * n}" fill="${colour}">${name}: ${((end?.gap ?? 0) * 100).toFixed(1)} %</text>`,
    );
  }
  return `${parts.join('\n')}\n</svg>\n`;
}
