import type { Finding } from '../errors';
import type { Manifest } from './schema';

type Assignment = Manifest['placement']['assignment'][number];

interface Before {
  readonly labels: Map<string, { readonly value: string; readonly at: number }>;
  /** Hosts that all of them allow; absent while each does. */
  allowed: ReadonlySet<string> | undefined;
  allowedAt: number;
  readonly denied: Set<string>;
}

/** Assignments of one component that leave it no host whatever the site has. Of those that only prefer there is none. */
export function contradictoryAssignments({ placement }: Manifest): Finding[] {
  const byComponent = new Map<string, Before>();
  return placement.assignment.flatMap((rule, at) => {
    if (rule.weight !== undefined) return [];
    const before = byComponent.get(rule.component) ?? newBefore();
    byComponent.set(rule.component, before);
    const found = contradiction(rule, before, at);
    if (!found) return [];
    const which =
      found.other === at ? 'contradicts itself' : `contradicts /placement/assignment/${found.other}`;
    const hint = 'Give one of them up, or a weight.';
    return [{ pointer: `/placement/assignment/${at}`, message: `${which}: ${found.why}`, hint }];
  });
}

const newBefore = (): Before => ({ labels: new Map(), allowed: undefined, allowedAt: 0, denied: new Set() });

/** With those before it, which it joins: so all of them together are looked through once. */
function contradiction(
  { labels, allowHosts, denyHosts }: Assignment,
  before: Before,
  at: number,
): { readonly other: number; readonly why: string } | undefined {
  for (const [label, value] of Object.entries(labels)) {
    const earlier = before.labels.get(label);
    if (earlier && earlier.value !== value)
      return {
        other: earlier.at,
        why: `a host has one label ${label}, not both ${earlier.value} and ${value}`,
      };
    before.labels.set(label, earlier ?? { value, at });
  }
  for (const host of denyHosts) before.denied.add(host);
  let other = before.allowedAt;
  if (allowHosts) {
    const both = before.allowed ? allowHosts.filter((h) => before.allowed?.has(h)) : allowHosts;
    if (both.length === 0) return { other, why: 'no host is allowed by both' };
    if (!before.allowed) other = at;
    before.allowed = new Set(both);
    before.allowedAt = at;
  }
  if (!before.allowed || [...before.allowed].some((h) => !before.denied.has(h))) return undefined;
  const named = [...before.allowed].slice(0, 5).join(', ');
  return { other, why: `each host that is allowed is denied: ${named}` };
}
