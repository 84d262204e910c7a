import type { Finding } from '../errors';
import type { Manifest } from './schema';

type Assignment = Manifest['placement']['assignment'][number];

/** Assignments of one component that leave it no host whatever the site has. Of those that only prefer there is none. */
export function contradictoryAssignments({ placement }: Manifest): Finding[] {
  const binding = placement.assignment.flatMap((rule, i) => (rule.weight === undefined ? [{ rule, i }] : []));
  return binding.flatMap(({ rule, i }, n) => {
    const pointer = `/placement/assignment/${i}`;
    const earlier = binding.slice(0, n + 1).filter((e) => e.rule.component === rule.component);
    const found = earlier.flatMap((e) => {
      const why = contradiction(e.rule, rule);
      const which = e.i === i ? 'contradicts itself' : `contradicts /placement/assignment/${e.i}`;
      return why ? [{ pointer, message: `${which}: ${why}`, hint: 'Give one of them up, or a weight.' }] : [];
    });
    return found.slice(0, 1);
  });
}

function contradiction(a: Assignment, b: Assignment): string | undefined {
  const label = Object.keys(a.labels).find((key) => key in b.labels && a.labels[key] !== b.labels[key]);
  if (label !== undefined)
    return `a host has one label ${label}, not both ${a.labels[label]} and ${b.labels[label]}`;
  const allowed = a.allowHosts ?? b.allowHosts;
  if (!allowed) return undefined;
  const both = allowed.filter((h) => !b.allowHosts || b.allowHosts.includes(h));
  if (both.length === 0) return 'no host is allowed by both';
  const denied = [...a.denyHosts, ...b.denyHosts];
  if (both.every((h) => denied.includes(h))) return `each host that is allowed is denied: ${both.join(', ')}`;
  return undefined;
}
