export interface Dependency {
  readonly component: string;
  readonly dependsOn: readonly string[];
}

export type StartOrder =
  | { readonly kind: 'levels'; readonly levels: readonly (readonly string[])[] }
  | { readonly kind: 'cycle'; readonly cycle: readonly string[] };

/**
 * Components by start level: those of a level start in parallel once every earlier level is ready.
 * Stopping goes through the same levels backwards. Within a level the manifest's order is kept.
 */
export function startLevels(components: readonly string[], dependencies: readonly Dependency[]): StartOrder {
  const needs = new Map<string, Set<string>>(components.map((c) => [c, new Set()]));
  for (const { component, dependsOn } of dependencies)
    for (const other of dependsOn) if (needs.has(other)) needs.get(component)?.add(other);

  const levels: string[][] = [];
  const placed = new Set<string>();
  while (placed.size < needs.size) {
    const level = [...needs]
      .filter(([c, on]) => !placed.has(c) && [...on].every((o) => placed.has(o)))
      .map(([c]) => c);
    if (level.length === 0) return { kind: 'cycle', cycle: findCycle(needs, placed) };
    for (const c of level) placed.add(c);
    levels.push(level);
  }
  return { kind: 'levels', levels };
}

/** All that need one of these, directly or by way of others. */
export function dependantsOf(components: readonly string[], dependencies: readonly Dependency[]): string[] {
  const found = new Set<string>();
  const queue = [...components];
  for (let on = queue.shift(); on !== undefined; on = queue.shift()) {
    for (const { component, dependsOn } of dependencies) {
      if (!dependsOn.includes(on) || found.has(component)) continue;
      found.add(component);
      queue.push(component);
    }
  }
  return [...found];
}

/** Walks from any component that can't be placed: each has an unplaced dependency, so the walk must repeat. */
function findCycle(needs: ReadonlyMap<string, ReadonlySet<string>>, placed: ReadonlySet<string>): string[] {
  const walk: string[] = [];
  let at = [...needs.keys()].find((c) => !placed.has(c));
  while (at !== undefined && !walk.includes(at)) {
    walk.push(at);
    at = [...(needs.get(at) ?? [])].find((o) => !placed.has(o));
  }
  return at === undefined ? walk : walk.slice(walk.indexOf(at));
}
