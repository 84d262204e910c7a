/**
 * An algorithm to begin one's own with: takes the host with the fewest items, tries to put all of them elsewhere, and keeps
 * that where it costs less; then the next host. docs/guides/write-an-algorithm.md tells what a problem is.
 */
module.exports = {
  apiVersion: 1,
  kind: 'algorithm',

  // For people, in at most 80 characters: `sluice algorithm list` shows it.
  does: 'closes the lightest hosts first',

  // Gives the host of each item, or nothing where it finds no placement. It works on what was found before (`from`).
  solve({ problem, from, bound, millis }) {
    const until = Date.now() + millis / 2;
    let best = from && [...from];
    if (!best) return undefined;
    const order = Array.from({ length: problem.hosts }, (_, host) => host)
      .filter((host) => best.includes(host))
      .sort((a, b) => itemsOn(best, a).length - itemsOn(best, b).length);
    for (const host of order) {
      if (Date.now() > until || costOf(problem, best) <= bound) break;
      const tried = emptied(problem, best, host);
      if (tried && costOf(problem, tried) < costOf(problem, best)) best = tried;
    }
    return best;
  },
};

const itemsOn = (placement, host) => [...placement.keys()].filter((item) => placement[item] === host);

/** With all items of a host on others that are in use; nothing where one has no room there. */
function emptied(problem, placement, host) {
  const next = [...placement];
  for (const item of itemsOn(placement, host)) {
    const others = [...new Set(next)].filter((other) => other !== host && other >= 0);
    next[item] = -1;
    const home = others.find((other) => canTake(problem, next, item, other));
    if (home === undefined) return undefined;
    next[item] = home;
  }
  return movesOf(problem, next) <= problem.mostMoves ? next : undefined;
}

function canTake(problem, placement, item, host) {
  const { allowed, dimensions, free, hosts, need, rules } = problem;
  if (allowed[item * hosts + host] !== 1) return false;
  for (let d = 0; d < dimensions; d++) {
    let used = need[item * dimensions + d];
    for (const other of itemsOn(placement, host)) used += need[other * dimensions + d];
    if (used > 0 && used > free[host * dimensions + d]) return false;
  }
  return rules.every((rule) => !rule.items.includes(item) || obeys(rule, placement, item, host));
}

/** A rule is about the items that share a place: a host, or a zone. Some may be there that are no items (`resident`). */
function obeys(rule, placement, item, host) {
  const place = rule.placeOf[host];
  const there = new Map();
  let elsewhere = 0;
  const enter = (at, colour, count) => {
    if (at !== place) elsewhere += count;
    else if (count > 0) there.set(colour, (there.get(colour) ?? 0) + count);
  };
  for (const [cell, count] of rule.resident.entries())
    enter(cell % rule.places, Math.floor(cell / rule.places), count);
  for (const [n, member] of rule.items.entries()) {
    const at = member === item ? host : placement[member];
    if (at >= 0) enter(rule.placeOf[at], rule.colours[n], rule.counts[n]);
  }
  if (rule.kind === 'together') return elsewhere === 0;
  if (rule.kind === 'one-colour') return there.size <= 1;
  return [...there.values()].reduce((a, b) => a + b, 0) <= rule.most;
}

const movesOf = ({ moves, start }, placement) =>
  placement.reduce((n, host, item) => n + (host === start[item] ? 0 : moves[item]), 0);

function costOf({ moveCost, openCost, placeCost, start }, placement) {
  const there = (item, host) =>
    placeCost ? placeCost.of[item * placeCost.kinds + placeCost.kindOf[host]] : 0;
  const open = [...new Set(placement)].reduce((cost, host) => cost + openCost[host], 0);
  return placement.reduce(
    (cost, host, item) => cost + there(item, host) + (host === start[item] ? 0 : moveCost[item]),
    open,
  );
}
