import fc from 'fast-check';
import { makeVeeId } from '../../domain/ids';
import { planScaling } from '../../domain/service/scaling';
import { startLevels } from '../../domain/service/start-order';
import {
  legalVerbs,
  nextState,
  VEE_STATES,
  VEE_VERBS,
  type VeeState,
  type VeeVerb,
} from '../../domain/vee/state-machine';
import type { VeeRecord } from '../../domain/vee/vee';

describe('the VEE state machine', () => {
  const LEGAL: [VeeState, VeeVerb, VeeState][] = [
    ['DEFINED', 'start', 'ACTIVE'],
    ['DEFINED', 'destroy', 'DESTROYED'],
    ['ACTIVE', 'pause', 'PAUSED'],
    ['ACTIVE', 'suspend', 'SUSPENDED'],
    ['ACTIVE', 'restart', 'ACTIVE'],
    ['ACTIVE', 'resize', 'ACTIVE'],
    ['ACTIVE', 'migrate', 'ACTIVE'],
    ['ACTIVE', 'relocate', 'ACTIVE'],
    ['ACTIVE', 'mend', 'ACTIVE'],
    ['ACTIVE', 'capture', 'ACTIVE'],
    ['SUSPENDED', 'capture', 'SUSPENDED'],
    ['PAUSED', 'mend', 'PAUSED'],
    ['SUSPENDED', 'mend', 'SUSPENDED'],
    ['ACTIVE', 'destroy', 'DESTROYED'],
    ['PAUSED', 'resume', 'ACTIVE'],
    ['PAUSED', 'relocate', 'ACTIVE'],
    ['PAUSED', 'destroy', 'DESTROYED'],
    ['SUSPENDED', 'restore', 'ACTIVE'],
    ['SUSPENDED', 'relocate', 'ACTIVE'],
    ['SUSPENDED', 'destroy', 'DESTROYED'],
  ];

  it('allows exactly these transitions, of all pairs of state and verb', () => {
    const found = VEE_STATES.flatMap((from) =>
      VEE_VERBS.flatMap((verb) => {
        const to = nextState(from, verb);
        return to ? [[from, verb, to]] : [];
      }),
    );
    expect(found.sort()).toEqual([...LEGAL].sort());
  });

  it('lists the legal verbs, and leaves none to the destroyed', () => {
    expect(legalVerbs('PAUSED')).toEqual(['resume', 'relocate', 'mend', 'destroy']);
    expect(legalVerbs('DESTROYED')).toEqual([]);
  });

  it('reaches DESTROYED from every state', () => {
    for (const from of VEE_STATES.filter((s) => s !== 'DESTROYED'))
      expect(nextState(from, 'destroy')).toBe('DESTROYED');
  });
});

describe('start order', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const dependencies = fc.array(
    fc.record({
      component: fc.constantFrom(...names),
      dependsOn: fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 2 }),
    }),
    { maxLength: 6 },
  );

  it('starts everything once, each after what it depends on; or names a real cycle', () => {
    fc.assert(
      fc.property(dependencies, (deps) => {
        const order = startLevels(names, deps);
        if (order.kind === 'levels') {
          expect(order.levels.flat().sort()).toEqual(names);
          const level = new Map(order.levels.flatMap((l, i) => l.map((c) => [c, i] as const)));
          for (const d of deps)
            for (const on of d.dependsOn) expect(level.get(on)).toBeLessThan(level.get(d.component) ?? -1);
        } else {
          const edge = (from: string, to: string) =>
            deps.some((d) => d.component === from && d.dependsOn.includes(to));
          expect(order.cycle.every((c, i) => edge(c, order.cycle[(i + 1) % order.cycle.length] ?? ''))).toBe(
            true,
          );
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('scaling', () => {
  const members = fc
    .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom('h1', 'h2', 'h3')), {
      selector: ([i]) => i,
      maxLength: 12,
    })
    .map((list) =>
      list.map(
        ([index, hostId]) =>
          ({
            id: makeVeeId(index.toString(16).padStart(24, '0')),
            index,
            hostId,
            state: 'ACTIVE',
          }) as VeeRecord,
      ),
    );

  it('comes to the count that is wanted, and reuses no index', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 0, max: 15 }), (living, wanted) => {
        const { create, retire } = planScaling(living, wanted);
        expect(living.length + create.length - retire.length).toBe(wanted);
        expect(create.length === 0 || retire.length === 0).toBe(true);
        for (const i of create) expect(living.map((v) => v.index)).not.toContain(i);
        expect(new Set(retire.map((v) => v.id)).size).toBe(retire.length);
      }),
    );
  });

  it('retires first what serves least: what does not run, then what is on a host that is leaving', () => {
    const vee = (index: number, hostId: string, state = 'ACTIVE') =>
      ({ id: `vee-${index}`, index, hostId, state, updatedAt: 0 }) as unknown as VeeRecord;
    const hosts = new Map(
      ['h1', 'h2', 'h3'].map((h) => [h, { leaving: h === 'h3', ailing: new Set(['vee-0']), reportedAt: 1 }]),
    );
    const all = [vee(0, 'h1'), vee(1, 'h2', 'PAUSED'), vee(2, 'h3'), vee(3, 'h1'), vee(4, 'h2')];
    expect(planScaling(all, 1, hosts).retire.map((v) => v.index)).toEqual([1, 0, 2, 4]);
  });

  it('never makes the spread over hosts worse when it retires', () => {
    const skew = (vees: VeeRecord[]) => {
      const count = ['h1', 'h2', 'h3'].map((h) => vees.filter((v) => (v.hostId as string) === h).length);
      return Math.max(...count);
    };
    fc.assert(
      fc.property(members, (living) => {
        if (living.length === 0) return;
        const { retire } = planScaling(living, living.length - 1);
        const left = living.filter((v) => !retire.includes(v));
        for (const other of living)
          expect(skew(left)).toBeLessThanOrEqual(skew(living.filter((v) => v !== other)));
      }),
    );
  });
});
