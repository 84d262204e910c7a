import { movesOf, NOWHERE, type Placement, type Problem, type Rule } from './problem';

/**
 * Every way in which a placement is not one, in words; empty when it is. Each answer of each solver passes here before it
 * is believed, so this knows no solver and none of their data: it counts anew.
 */
export function faultsOf(problem: Problem, placement: Placement): string[] {
  const faults: string[] = [];
  if (placement.length !== problem.items)
    return [`${placement.length} items are placed, ${problem.items} were asked for`];
  const used = new Float64Array(problem.hosts * problem.dimensions);
  for (const [item, host] of placement.entries()) {
    if (!(host >= 0 && host < problem.hosts)) {
      faults.push(
        host === NOWHERE ? `item ${item} has no host` : `item ${item} is on host ${host}, which is none`,
      );
      continue;
    }
    if (problem.allowed[item * problem.hosts + host] !== 1)
      faults.push(`item ${item} may not be on host ${host}`);
    for (let d = 0; d < problem.dimensions; d++)
      used[host * problem.dimensions + d] =
        (used[host * problem.dimensions + d] ?? 0) + (problem.need[item * problem.dimensions + d] ?? 0);
  }
  for (const [cell, amount] of used.entries()) {
    const free = problem.free[cell] ?? 0;
    // A host that holds more than it has takes nothing, which is no fault of the placement.
    if (amount > 0 && amount > free)
      faults.push(
        `host ${Math.floor(cell / problem.dimensions)} has ${free} in dimension ${cell % problem.dimensions}, ${amount} is used`,
      );
  }
  for (const [n, rule] of problem.rules.entries())
    for (const fault of breachesOf(rule, placement)) faults.push(`rule ${n} (${rule.kind}): ${fault}`);
  const moves = movesOf(problem, placement);
  if (moves > problem.mostMoves) faults.push(`${moves} moves, of which ${problem.mostMoves} are allowed`);
  return faults;
}

function breachesOf(rule: Rule, placement: Placement): string[] {
  /** How many are at a place, by colour. */
  const at = new Map<number, Map<number, number>>();
  /** Where it is the placement that has put something: what was there before is no fault of it. */
  const taken = new Set<number>();
  const enter = (place: number, colour: number, count: number) => {
    if (count === 0) return;
    const there = at.get(place) ?? new Map<number, number>();
    at.set(place, there.set(colour, (there.get(colour) ?? 0) + count));
  };
  for (const [cell, count] of rule.resident.entries())
    enter(cell % rule.places, Math.floor(cell / rule.places), count);
  for (const [n, item] of rule.items.entries()) {
    const place = rule.placeOf[placement[item] ?? NOWHERE];
    if (place === undefined) continue;
    taken.add(place);
    enter(place, rule.colours[n] ?? 0, rule.counts[n] ?? 0);
  }
  if (taken.size === 0) return [];
  switch (rule.kind) {
    case 'together':
      return at.size > 1 ? [`its items are at ${at.size} places`] : [];
    case 'at-most':
      return [...at].flatMap(([place, there]) => {
        const count = [...there.values()].reduce((a, b) => a + b, 0);
        return taken.has(place) && count > rule.most
          ? [`${count} are at place ${place}, where ${rule.most} may be`]
          : [];
      });
    case 'spread': {
      const count = (place: number) => [...(at.get(place)?.values() ?? [])].reduce((a, b) => a + b, 0);
      const fewest = Math.min(...[...(rule.open ?? [])].map(count));
      return [...taken].flatMap((place) =>
        count(place) - fewest > rule.most
          ? [`${count(place)} are at place ${place}, ${fewest} where the fewest are`]
          : [],
      );
    }
    case 'few-places': {
      const fresh = [...taken].filter((place) => (rule.resident[place] ?? 0) === 0).length;
      return fresh > rule.most ? [`they are at ${fresh} new places, of which ${rule.most} may be`] : [];
    }
    case 'one-colour':
      return [...at].flatMap(([place, there]) =>
        taken.has(place) && there.size > 1 ? [`place ${place} has items of ${there.size} colours`] : [],
      );
  }
}
