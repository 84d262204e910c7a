import { NOWHERE, type Problem, placeCostOf } from './problem';

interface Room {
  readonly room: number;
  /** What it costs to have the host open rather than closed; less than nothing where it is worth it in any case. */
  readonly extra: number;
}

/**
 * No placement costs less than this; `Infinity` when there is none. Each host is either open, and costs that, or what
 * starts on it moves away; the open ones together have room for everything. Rules, and how items fit into hosts one by one,
 * are left out, so the true least may be more. Takes microseconds where a solver takes minutes for much the same.
 */
export function lowerBound(problem: Problem): number {
  const { items, hosts, dimensions, openCost, moveCost, start, allowed, need, free } = problem;
  const leaving = new Float64Array(hosts);
  const leavers = new Float64Array(hosts);
  /** Of what moves whatever is decided, and of what stays where it might go elsewhere. */
  let certain = 0;
  for (let item = 0; item < items; item++) {
    const host = start[item] ?? NOWHERE;
    const price = moveCost[item] ?? 0;
    if (host === NOWHERE || allowed[item * hosts + host] !== 1) certain += price;
    else {
      const staying = placeCostOf(problem, item, host);
      const away = price + cheapestElsewhere(problem, item, host);
      const least = Math.min(staying, away);
      certain += least;
      leaving[host] = (leaving[host] ?? 0) + away - least;
      leavers[host] = (leavers[host] ?? 0) + (problem.moves[item] ?? 0);
    }
  }
  const allClosed = leaving.reduce((a, b) => a + b, 0);
  let opened = -Infinity;
  for (let d = 0; d < dimensions; d++) {
    let total = 0;
    for (let item = 0; item < items; item++) total += need[item * dimensions + d] ?? 0;
    const rooms = Array.from(openCost, (price, host) => ({
      room: Math.max(0, free[host * dimensions + d] ?? 0),
      extra: price - (leaving[host] ?? 0),
    }));
    opened = Math.max(opened, leastByRoom(rooms, total), leastByNumber(rooms, total));
  }
  const byRoom = allClosed + (opened === -Infinity ? 0 : opened);
  return certain + Math.max(byRoom, leastByMoves(problem, leaving, leavers));
}

/** What it costs on the cheapest of the other hosts; nothing where there is no other. */
function cheapestElsewhere(problem: Problem, item: number, home: number): number {
  const { hosts, placeCost, allowed } = problem;
  if (!placeCost) return 0;
  let least = Infinity;
  for (let host = 0; host < hosts && least > 0; host++)
    if (host !== home && allowed[item * hosts + host] === 1)
      least = Math.min(least, placeCostOf(problem, item, host));
  return least === Infinity ? 0 : least;
}

/** What the hosts in use cost, less what closing some of them saves within the moves that may be made. */
function leastByMoves(
  { hosts, openCost, mostMoves }: Problem,
  leaving: Float64Array,
  leavers: Float64Array,
): number {
  const used = Array.from({ length: hosts }, (_, host) => ({
    open: openCost[host] ?? 0,
    saved: (openCost[host] ?? 0) - (leaving[host] ?? 0),
    moves: leavers[host] ?? 0,
  })).filter((h) => h.moves > 0);
  let [left, saved] = [mostMoves, 0];
  for (const host of used.filter((h) => h.saved > 0).sort((a, b) => b.saved / b.moves - a.saved / a.moves)) {
    saved += host.saved * Math.min(1, left / host.moves);
    left -= host.moves;
    if (left <= 0) break;
  }
  return used.reduce((sum, h) => sum + h.open, 0) - saved;
}

/** The least extra of hosts, the last of them in part, whose rooms are at least this much (a fractional knapsack). */
function leastByRoom(rooms: readonly Room[], total: number): number {
  let [left, extra] = [total, 0];
  // Those that are worth it in any case, and then what is cheapest for its room.
  for (const host of rooms.filter((r) => r.extra < 0)) {
    extra += host.extra;
    left -= host.room;
  }
  const byPrice = rooms.filter((r) => r.extra >= 0 && r.room > 0);
  for (const host of byPrice.sort((a, b) => a.extra / a.room - b.extra / b.room)) {
    if (left <= 0) break;
    extra += host.extra * Math.min(1, left / host.room);
    left -= host.room;
  }
  return left > 1e-6 ? Infinity : extra;
}

/** The least extra of as many hosts as are needed if they are the roomiest. */
function leastByNumber(rooms: readonly Room[], total: number): number {
  const roomiest = rooms.map((r) => r.room).sort((a, b) => b - a);
  let needed = 0;
  for (let left = total; left > 1e-6 && needed < roomiest.length; needed++) left -= roomiest[needed] ?? 0;
  return rooms
    .map((r) => r.extra)
    .sort((a, b) => a - b)
    .reduce((sum, extra, n) => (n < needed || extra < 0 ? sum + extra : sum), 0);
}
