import fc from 'fast-check';
import { derivedEntropy } from '../../domain/derived-entropy';
import { type BlueprintId, type HostId, makeVeeId, type VeeId } from '../../domain/ids';
import { templateOf } from '../../domain/manifest/components';
import type { Manifest } from '../../domain/manifest/schema';
import { breaches, constraintsOf, sharedConstraints } from '../../domain/placement/constraints';
import type { SnapshotHost } from '../../domain/placement/model';
import { recompose } from '../../domain/service/recompose';
import { templateChanges } from '../../domain/service/recompose-reasons';
import { rehearse } from '../../domain/service/rehearsal';
import { fits, sum } from '../../domain/units';
import type { VeeRecord } from '../../domain/vee/vee';
import {
  asPlaced,
  hostNamed,
  operationId,
  serviceId,
  sketch,
  snapshotWith,
  tenantId,
} from '../support/recompose';

const NAMES = ['a', 'b', 'c'] as const;

const component = (name: string) =>
  fc.record({
    name: fc.constant(name),
    image: fc.constantFrom('busybox', 'other'),
    command: fc.constantFrom(['/bin/x'], ['/bin/y']),
    capacity: fc.record({
      cpuMillis: fc.constantFrom(100, 200),
      memoryMiB: fc.constant(100),
      diskMiB: fc.constantFrom(0, 10),
    }),
    instances: fc.nat(4),
  });

type Rule = Readonly<Record<string, unknown>>;
const oneOf = (...rules: Rule[]) => fc.constantFrom<Rule[]>([], ...rules.map((r) => [r]));

/** Constraints that can't contradict each other: one of each kind, on different components. */
const placement = fc.record({
  antiAffinity: oneOf(
    { within: 'a' },
    { between: ['a', 'b'] },
    { within: 'a', level: 'zone' },
    { between: ['a', 'b'], level: 'zone' },
    { within: 'a', most: 2 },
    { within: 'a', most: 2, level: 'zone' },
  ),
  affinity: oneOf({ together: ['b', 'c'] }, { together: ['b', 'c'], level: 'zone' }),
  assignment: oneOf(
    { component: 'c', labels: { rack: 'r1' } },
    { component: 'c', labels: { rack: 'r2' }, weight: 3 },
  ),
  require: oneOf(
    { component: 'b', expression: 'host.zone != "z1"' },
    { component: 'b', expression: 'host.labels.rack == "r2"', weight: 2 },
  ),
  spread: oneOf({ component: 'a', maxSkew: 1 }, { component: 'a', maxSkew: 2, weight: 1 }),
  rank: oneOf({ component: 'c', expression: 'host.capacity.cpuMillis - host.sameService.onHost' }),
});

const listed = (names: unknown) => (Array.isArray(names) ? (names as string[]) : []);

const manifests = fc
  .record({
    components: fc.tuple(...NAMES.map((n) => component(n))),
    present: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()).filter((p) => p.some(Boolean)),
    placement,
    ordered: fc.boolean(),
    update: fc
      .record({ maxUnavailable: fc.nat(2), maxSurge: fc.nat(2) })
      .filter((u) => u.maxUnavailable + u.maxSurge > 0),
  })
  .map(({ components, present, placement: wish, ordered, update }): Manifest => {
    const chosen = components.filter((_, i) => present[i]);
    const names = chosen.map((c) => c.name);
    const known = (rule: Rule) =>
      [rule.within, rule.component, ...listed(rule.between), ...listed(rule.together)]
        .filter((n) => n !== undefined)
        .every((n) => names.includes(n as string));
    return sketch(chosen, {
      update,
      placement: {
        affinity: wish.affinity.filter(known),
        antiAffinity: wish.antiAffinity.filter(known),
        assignment: wish.assignment.filter(known),
        require: wish.require.filter(known),
        spread: wish.spread.filter(known),
        rank: wish.rank.filter(known),
      },
      topology: {
        dependencies: ordered
          ? names.slice(1).map((name, i) => ({ component: name, dependsOn: [names[i]] }))
          : [],
      },
    });
  });

const hosts = fc.array(
  fc.record({ rack: fc.constantFrom('r1', 'r2'), live: fc.boolean(), resize: fc.boolean() }),
  {
    minLength: 2,
    maxLength: 5,
  },
);

const worlds = fc
  .record({
    current: manifests,
    wanted: manifests,
    hosts,
    spread: fc.array(fc.nat(99), { minLength: 12, maxLength: 12 }),
  })
  .map(({ current, wanted, hosts: wishes, spread }) => {
    const made = wishes.map(({ rack, live, resize }, i) =>
      hostNamed(`h${i}`, {
        zone: `z${i % 3}`,
        labels: { rack },
        capabilities: {
          ...hostNamed('x').capabilities,
          migration: live ? 'live' : 'cold',
          liveResize: resize,
        },
      }),
    );
    let next = 0;
    const members = current.components.flatMap((c) =>
      Array.from({ length: c.instances.initial }, (_, index): VeeRecord => {
        const host = made[(spread[next++] ?? 0) % made.length];
        return {
          id: `vee-${c.name}-${index}` as VeeId,
          tenantId,
          serviceId,
          component: c.name,
          index,
          state: 'ACTIVE',
          hostId: host?.id ?? ('h0' as HostId),
          epoch: 1,
          generation: 1,
          template: templateOf(current, c),
          transition: null,
          blueprintId: 'bp-0' as BlueprintId,
          createdAt: 0,
          updatedAt: 0,
        };
      }),
    );
    const instances = Object.fromEntries(current.components.map((c) => [c.name, c.instances.initial]));
    return { current, wanted, hosts: made, members, instances };
  })
  .filter(({ hosts: all, members }) => all.every((h) => fits(h.capacity, heldOn(h, members))));

const heldOn = ({ id }: SnapshotHost, members: readonly VeeRecord[]) =>
  sum(members.filter((v) => v.hostId === id).map((v) => v.template.capacity));

type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

function played({ current, wanted, hosts: all, members, instances }: World) {
  const snapshot = snapshotWith(all, members);
  const plan = recompose({ serviceId, current, wanted, instances, members, hosts: snapshot.hosts, at: 0 });
  if (plan.kind !== 'recomposition') throw new Error('nothing is paused, no host is lost, nothing is large');
  const handing = { service: { id: serviceId, tenantId }, current, wanted, waves: plan.waves };
  const context = { now: 0, seed: 's', blueprintId: 'bp-1' as BlueprintId, operationId };
  return { plan, result: rehearse(snapshot, handing, members, { name: 'striping' }, context) };
}

/** Carries out a plan by a rule that knows nothing of how it was made. */
function* carriedOut(world: World, { plan, result }: ReturnType<typeof played>) {
  const living = new Map(world.members.map((v) => [v.id, v]));
  const template = (name: string) => {
    const c = world.wanted.components.find((x) => x.name === name);
    if (!c) throw new Error(`${name} is not wanted`);
    return templateOf(world.wanted, c);
  };
  if (result.kind === 'infeasible') throw new Error('infeasible');
  for (const [i, wave] of plan.waves.entries()) {
    for (const id of wave.resizes) {
      const vee = living.get(id);
      if (vee) living.set(id, { ...vee, template: template(vee.component) });
    }
    const { move, creates = [] } = result.waves[i] ?? {};
    if (wave.move) {
      const vee = living.get(wave.move);
      if (!vee || !move) throw new Error('moved from nowhere, or to nowhere');
      living.set(wave.move, { ...vee, hostId: move.hostId });
    }
    yield { wave: i, living: [...living.values()] };
    expect(creates.map((c) => `${c.component}/${c.index}`).sort()).toEqual(
      wave.creates.map((c) => `${c.component}/${c.index}`).sort(),
    );
    for (const { veeId, component: name, index, hostId } of creates) {
      expect(veeId).toBe(makeVeeId(derivedEntropy(operationId, name, index)));
      const [any] = world.members;
      if (!any) continue;
      living.set(veeId, { ...any, id: veeId, component: name, index, hostId, template: template(name) });
    }
    yield { wave: i, living: [...living.values()] };
    for (const id of wave.destroys) expect(living.delete(id)).toBe(true);
    yield { wave: i, living: [...living.values()] };
  }
}

describe('any re-composition of any service', () => {
  const withMembers = worlds.filter((w) => w.members.length > 0);

  it('says of each VEE what becomes of it, once', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { plan } = played(world);
        expect(plan.members.map((m) => m.veeId).sort()).toEqual(world.members.map((v) => v.id).sort());
        for (const m of plan.members)
          expect([m.verb, m.reasons.length > 0]).toEqual([m.verb, m.verb !== 'no-op']);
      }),
      { numRuns: 250 },
    );
  });

  it('ends with what the manifest says, where the manifest says, and fits at every moment', () => {
    let feasible = 0;
    fc.assert(
      fc.property(withMembers, (world) => {
        const answer = played(world);
        if (answer.result.kind === 'infeasible') return;
        feasible++;
        const byId = new Map<HostId, SnapshotHost>(world.hosts.map((h) => [h.id, h]));
        let last: readonly VeeRecord[] = world.members;
        for (const { living } of carriedOut(world, answer)) {
          for (const h of world.hosts) expect(fits(h.capacity, heldOn(h, living))).toBe(true);
          last = living;
        }
        for (const c of world.wanted.components) {
          const mine = last.filter((v) => v.component === c.name);
          expect(mine).toHaveLength(answer.plan.instances[c.name] ?? -1);
          for (const v of mine) expect(templateChanges(v.template, templateOf(world.wanted, c))).toEqual([]);
        }
        expect(new Set(last.map((v) => v.component)).size).toBeLessThanOrEqual(
          world.wanted.components.length,
        );
        for (const c of constraintsOf(world.wanted, serviceId))
          expect(breaches(c, last.map(asPlaced), byId)).toEqual([]);
      }),
      { numRuns: 250 },
    );
    // The property would hold of nothing if nothing could ever be placed.
    expect(feasible).toBeGreaterThan(200);
  });

  it('breaks nothing on the way that held before and is to hold after', () => {
    fc.assert(
      fc.property(withMembers, (world) => {
        const answer = played(world);
        if (answer.result.kind === 'infeasible') return;
        const byId = new Map<HostId, SnapshotHost>(world.hosts.map((h) => [h.id, h]));
        const shared = sharedConstraints(world.current, world.wanted, serviceId).filter(
          (c) => breaches(c, world.members.map(asPlaced), byId).length === 0,
        );
        for (const { living } of carriedOut(world, answer))
          for (const c of shared) expect(breaches(c, living.map(asPlaced), byId)).toEqual([]);
      }),
      { numRuns: 250 },
    );
  });

  it('starts a component only when nothing of those it depends on is still to start', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { waves } = played(world).plan;
        for (const { component: name, dependsOn } of world.wanted.topology.dependencies)
          for (const on of dependsOn) {
            const first = waves.findIndex((w) => w.creates.some((c) => c.component === name));
            const last = waves.findLastIndex((w) => w.creates.some((c) => c.component === on));
            if (first >= 0 && last >= 0) expect(first).toBeGreaterThan(last);
          }
      }),
      { numRuns: 250 },
    );
  });
});
