import { NOWHERE, type Problem, placeCostOf } from './problem';

/** What starts on a host where it may stay: what it costs to stay, and to leave for the cheapest other one. */
interface Resident {
  readonly host: number;
  readonly staying: number;
  readonly away: number;
  readonly moves: number;
}

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
  /** Of what moves whatever is decided, and what each of the others costs wherever it is. */
  let [forced, certain] = [0, 0];
  const residents: Resident[] = [];
  for (let item = 0; item < items; item++) {
    const host = start[item] ?? NOWHERE;
    const price = moveCost[item] ?? 0;
    if (host === NOWHERE || allowed[item * hosts + host] !== 1) forced += price;
    else {
      const staying = placeCostOf(problem, item, host);
      const away = price + cheapestElsewhere(problem, item, host);
      const least = Math.min(staying, away);
      certain += least;
      leaving[host] = (leaving[host] ?? 0) + away - least;
      residents.push({ host, staying, away, moves: problem.moves[item] ?? 0 });
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
  return forced + Math.max(certain + byRoom, leastByMoves(problem, residents));
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

interface Way {
  readonly saved: number;
  readonly moves: number;
}

/** What hosts in use and what is on them cost as it is, less what moves save at most, as many as may be made. */
function leastByMoves({ hosts, openCost, mostMoves }: Problem, residents: readonly Resident[]): number {
  const on: Resident[][] = Array.from({ length: hosts }, () => []);
  for (const resident of residents) on[resident.host]?.push(resident);
  const asItIs = on.reduce(
    (all, of, host) => (of.length === 0 ? all : all + (openCost[host] ?? 0)),
    residents.reduce((all, r) => all + r.staying, 0),
  );
  const ways = on.flatMap((of, host) => (of.length === 0 ? [] : waysToSave(of, openCost[host] ?? 0)));
  let [left, saved] = [mostMoves, 0];
  for (const way of ways.sort(worthiestFirst)) {
    if (way.moves > 0 && left <= 0) break;
    saved += way.saved * (way.moves > left ? left / way.moves : 1);
    left -= way.moves;
  }
  return asItIs - saved;
}

/**
 * What leaving a host saves, the most for its moves first: what is cheaper elsewhere by itself, and the rest together, with
 * which the host is closed. Where that is worth more than some before it, they count as one: the least concave function above
 * what so many moves save (a fractional knapsack).
 */
function waysToSave(residents: readonly Resident[], open: number): Way[] {
  const ways = residents
    .filter((r) => r.staying > r.away)
    .map((r): Way => ({ saved: r.staying - r.away, moves: r.moves }))
    .sort(worthiestFirst);
  let rest = residents.reduce(
    (all, r) =>
      r.staying > r.away ? all : { saved: all.saved + r.staying - r.away, moves: all.moves + r.moves },
    { saved: open, moves: 0 },
  );
  for (let last = ways.at(-1); last && worthiestFirst(last, rest) > 0; last = ways.at(-1)) {
    rest = { saved: rest.saved + last.saved, moves: rest.moves + last.moves };
    ways.pop();
  }
  return rest.saved > 0 ? [...ways, rest] : ways;
}

const worthiestFirst = (a: Way, b: Way): number => b.saved * a.moves - a.saved * b.moves;

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
