import type { HostId, VeeId } from '../../domain/ids';
import { solveBySearch } from '../../domain/placement/by-search';
import { breaches } from '../../domain/placement/constraints';
import { unitsOf } from '../../domain/placement/feasibility';
import type { Constraint } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { fits, sum } from '../../domain/units';
import { context, packing, serviceId, vee } from '../support/placement';
import { planted } from '../support/planted';

describe('a plan for a site that is nearly full', () => {
  it('finds room by a search where the greedy way leaves something out, and says so', () => {
    const found = Array.from({ length: 25 }, (_, n) => {
      const { snapshot, request } = planted(`${n}`, 12, 0.93);
      const answer = plan(snapshot, request, packing, context);
      if (answer.kind === 'infeasible') return 'none';
      for (const { id, capacity } of snapshot.hosts) {
        const there = answer.assignments.filter((a) => a.hostId === id).map((a) => a.veeId);
        const need = sum(request.vees.filter((v) => there.includes(v.id)).map((v) => v.need));
        expect(fits(capacity, need)).toBe(true);
      }
      expect(new Set(answer.assignments.map((a) => a.veeId)).size).toBe(request.vees.length);
      if (answer.algorithm === 'search')
        expect(answer.assignments[0]?.because).toMatch(/^chosen by a search/);
      expect(plan(snapshot, request, packing, context)).toEqual(answer);
      return answer.algorithm;
    });
    expect(found).not.toContain('none');
    expect(found.filter((by) => by === 'search').length).toBeGreaterThan(10);
  });

  it('keeps to rules and to what runs while it searches', () => {
    const found = Array.from({ length: 25 }, (_, n) => {
      const { snapshot, request } = planted(`${n}`, 12, 0.85);
      const [first, second] = request.vees.map((v) => v.id);
      // A db runs already: no other may be on its host, and all of db and web are to be in its zone.
      const vees = request.vees.map((v) => ({
        ...v,
        component: v.id === first ? 'db' : v.id === second ? 'web' : v.component,
      }));
      const runs = { ...vee('db', 9), hostId: 'h3' as HostId };
      const constraints: Constraint[] = [
        { kind: 'apart-within', level: 'host', serviceId, component: 'db', most: 1 },
        { kind: 'together', level: 'zone', serviceId, components: ['db', 'web'] },
        { kind: 'apart-within', level: 'host', serviceId, component: 'app', most: 4 },
      ];
      const hosts = snapshot.hosts.map((h, i) => ({ ...h, zone: i % 2 === 0 ? 'even' : 'odd' }));
      const answer = plan({ ...snapshot, hosts, vees: [runs] }, { vees, constraints }, packing, context);
      if (answer.kind === 'infeasible') return 'none';
      const where = new Map<string, HostId>(answer.assignments.map((a) => [a.veeId, a.hostId]));
      const placed = [...vees.map((v) => ({ ...v, hostId: where.get(v.id) ?? ('' as HostId) })), runs];
      const byId = new Map(hosts.map((h) => [h.id, h]));
      for (const c of constraints) expect(breaches(c, placed, byId)).toEqual([]);
      return answer.algorithm;
    });
    expect(found.filter((by) => by !== 'none').length).toBeGreaterThan(15);
    expect(found).toContain('search');
  });

  it('searches for nothing that adds up to too much, and not for one alone', () => {
    const { snapshot, request } = planted('1', 3, 0.9);
    const more = [...request.vees, ...request.vees.map((v) => ({ ...v, id: `${v.id}-too` as VeeId }))];
    expect(
      solveBySearch(snapshot, { vees: more, constraints: [] }, unitsOf({ vees: more, constraints: [] }), 's'),
    ).toEqual({
      kind: 'unknown',
    });
    const alone = { vees: request.vees.slice(0, 1), constraints: [] };
    expect(solveBySearch(snapshot, alone, unitsOf(alone), 's')).toEqual({ kind: 'unknown' });
  });
});
