import fc from 'fast-check';
import type { VeeId } from '../../domain/ids';
import {
  goalOf,
  isBuiltIn,
  POLICY_NAMES,
  parametersOf,
  rankingOf,
} from '../../domain/placement/built-in-policies';
import type { PlacedVee, Snapshot } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { isPolicyBroken, type Policy, PolicyBroken, policyData } from '../../domain/placement/policy';
import { context, host, placed, serviceId, tenantId, vee } from '../support/placement';

const there = (component: string, n: number, hostId: string): PlacedVee => ({
  ...{ id: `there-${component}-${n}` as VeeId, tenantId, serviceId, component, hostId: hostId as never },
});

/** Four hosts, two in each zone, alike but for what is reserved of them. */
function site(vees: readonly PlacedVee[], reserved: readonly number[] = [0, 0, 0, 0]): Snapshot {
  const hosts = reserved.map((cpuMillis, i) =>
    host(`h${i + 1}`, 1_000, {
      zone: i < 2 ? 'z1' : 'z2',
      reserved: { cpuMillis, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 },
    }),
  );
  return { at: 1, hosts, vees };
}

const one = { vees: [vee('app', 0)], constraints: [] };

describe('what each policy takes', () => {
  it.each<[string, Policy, Snapshot, string]>([
    ['the tightest fit', { name: 'packing' }, site([], [100, 300, 800, 950]), 'h3'],
    ['the emptiest', { name: 'striping' }, site([], [100, 300, 50, 900]), 'h3'],
    ['the host of its service', { name: 'latency' }, site([there('db', 0, 'h2')], [0, 800, 0, 0]), 'h2'],
    [
      'the zone where most of its service is',
      { name: 'latency' },
      site([there('db', 0, 'h1'), there('db', 1, 'h3'), there('db', 2, 'h4')], [0, 0, 950, 950]),
      'h1',
    ],
    ['the emptiest of those that are as near', { name: 'latency' }, site([], [30, 20, 10, 40]), 'h3'],
    [
      'what weighs the most: load',
      { name: 'weighted', parameters: { striping: 10, latency: 1 } },
      site([there('db', 0, 'h1')], [800, 500, 0, 10]),
      'h3',
    ],
    [
      'what weighs the most: distance',
      { name: 'weighted', parameters: { striping: 1, latency: 10 } },
      site([there('db', 0, 'h1')], [800, 500, 0, 0]),
      'h1',
    ],
  ])('takes %s', (takes, policy, snapshot, expected) => {
    const answer = plan(snapshot, one, policy, context);
    if (answer.kind !== 'blueprint') throw new Error('infeasible');
    expect([takes, answer.assignments[0]?.hostId]).toEqual([takes, expected]);
    expect(answer.policy).toEqual(policy);
  });

  it('counts what the same request has placed, and what moves no more where it was', () => {
    const request = { vees: [vee('app', 0), vee('app', 1), vee('app', 2)], constraints: [] };
    const hosts = Object.values(placed(site([]), request, { name: 'latency' }));
    expect(new Set(hosts).size).toBe(1);
    // Alone of its service, it would else be drawn to where it is now.
    const moving = { ...vee('app', 0), moving: { from: 'h1' as never, away: false } };
    const itself = { ...there('app', 0, 'h1'), id: moving.id };
    const snapshot = site([itself], [300, 10, 0, 10]);
    expect(placed(snapshot, { vees: [moving], constraints: [] }, { name: 'latency' })).toEqual({
      'app/0': 'h3',
    });
  });

  it('is a finite number for whatever there is, the same for the same', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...POLICY_NAMES),
        fc.array(fc.nat(1_000), { minLength: 4, maxLength: 4 }),
        fc.array(fc.constantFrom('h1', 'h2', 'h3', 'h4', 'gone'), { maxLength: 6 }),
        (name, reserved, where) => {
          const snapshot = site(
            where.map((h, i) => there('db', i, h)),
            reserved,
          );
          const judge = () => plan(snapshot, one, { name, parameters: parametersOf(name) }, context);
          const answer = judge();
          if (answer.kind === 'blueprint')
            for (const { score } of answer.assignments[0]?.verdicts ?? [])
              expect(score === undefined || Number.isFinite(score)).toBe(true);
          expect(judge()).toEqual(answer);
        },
      ),
    );
  });

  it('is told with what it works towards', () => {
    expect(POLICY_NAMES.map((name) => goalOf({ name }))).toEqual([
      ...['few-hosts', 'even', 'none', 'none', 'watts', 'cost'],
    ]);
    const weighted = (parameters: Record<string, number>) =>
      goalOf({ name: 'weighted', parameters: { latency: 0, ...parameters } });
    expect(weighted({ packing: 3, striping: 1 })).toBe('few-hosts');
    expect(weighted({ packing: 1, striping: 3 })).toBe('even');
    expect(weighted({ packing: 3, latency: 0.1 })).toBe('none');
    const plugin = { sha256: 'x', takes: 'y', goal: 'few-hosts' as const };
    expect(goalOf({ name: 'mine', plugin })).toBe('few-hosts');
  });
});

describe('a policy that is none of the built-in ones', () => {
  const plugin = { sha256: 'x', takes: 'the last', goal: 'even' as const };

  it('ranks what can take it and nothing else, by what it is told', () => {
    const seen: string[][] = [];
    const mine: Policy = {
      ...{ name: 'mine', plugin },
      ranking: {
        takes: 'the last',
        scores: (placing, hosts) => {
          seen.push([placing.component, ...hosts.map((h) => h.id)]);
          return hosts.map((_, i) => -i);
        },
      },
    };
    const snapshot = site([], [0, 0, 0, 950]);
    const answer = plan(snapshot, one, mine, context);
    expect(answer).toMatchObject({
      policy: { name: 'mine', plugin },
      assignments: [{ hostId: 'h3', because: 'the last of the 3 hosts that can take it' }],
    });
    expect(seen).toEqual([['app', 'h1', 'h2', 'h3']]);
    // What is kept with a decision is data.
    expect(JSON.parse(JSON.stringify(policyData(mine)))).toEqual(policyData(mine));
  });

  it('is broken where it is not loaded', () => {
    expect(isBuiltIn('mine')).toBe(false);
    expect(() => rankingOf({ name: 'mine', plugin })).toThrow(PolicyBroken);
    expect(() => plan(site([]), one, { name: 'mine', plugin }, context)).toThrow('mine is not loaded');
    expect(isPolicyBroken(new PolicyBroken('x'))).toBe(true);
    expect(isPolicyBroken(new Error('x'))).toBe(false);
  });
});
