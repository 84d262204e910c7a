import type { BlueprintId } from '../../domain/ids';
import type { Manifest } from '../../domain/manifest/schema';
import type { SnapshotHost } from '../../domain/placement/model';
import { type Recomposition, recompose } from '../../domain/service/recompose';
import { describeReason } from '../../domain/service/recompose-reasons';
import { excessOf, recompositionRefusal } from '../../domain/service/recompose-refusal';
import { describeRecomposition } from '../../domain/service/recompose-text';
import { rehearse } from '../../domain/service/rehearsal';
import type { VeeRecord } from '../../domain/vee/vee';
import {
  hostNamed,
  membersOf,
  operationId,
  serviceId,
  sketch,
  snapshotWith,
  tenantId,
} from '../support/recompose';

const three = ['h1', 'h2', 'h3'].map((id) => hostNamed(id));
const plain = hostNamed('any');
const withCpu = (id: string, cpuMillis: number) =>
  hostNamed(id, { capacity: { ...plain.capacity, cpuMillis } });
const countsOf = (members: readonly VeeRecord[]) =>
  Object.fromEntries(
    [...new Set(members.map((v) => v.component))].map((c) => [
      c,
      members.filter((v) => v.component === c).length,
    ]),
  );

interface Setting {
  readonly members?: readonly VeeRecord[];
  readonly hosts?: readonly SnapshotHost[];
  readonly instances?: Record<string, number>;
}

function answerFor(current: Manifest, wanted: Manifest, setting: Setting = {}) {
  const { members = [], hosts = three } = setting;
  const { hosts: taken } = snapshotWith(hosts, members);
  const { instances = countsOf(members) } = setting;
  return recompose({ serviceId, current, wanted, instances, members, hosts: taken, at: 0 });
}

function planFor(current: Manifest, wanted: Manifest, setting: Setting = {}): Recomposition {
  const answer = answerFor(current, wanted, setting);
  if (answer.kind === 'blocked') throw recompositionRefusal(answer);
  return answer;
}

const told = ({ members }: Recomposition) =>
  members.map(
    (m) => `${m.verb} ${m.component}/${m.index}${m.reasons.map((r) => `: ${describeReason(r)}`).join('')}`,
  );
const waveLines = ({ waves }: Recomposition) =>
  waves.map((w) =>
    [
      ...w.resizes.map((id) => `resize ${id}`),
      ...(w.move ? [`move ${w.move}`] : []),
      ...w.creates.map((c) => `create ${c.component}/${c.index}`),
      ...w.destroys.map((id) => `destroy ${id}`),
    ].join(', '),
  );

describe('a re-composition', () => {
  const shop = sketch([{ name: 'db' }, { name: 'app', instances: 3 }], {
    topology: { dependencies: [{ component: 'app', dependsOn: ['db'] }] },
  });
  const running = membersOf(shop, 'db/0@h1', 'app/0@h1', 'app/1@h2', 'app/2@h3');

  it('of what is as it should be does nothing', () => {
    const plan = planFor(shop, shop, { members: running });
    expect(told(plan)).toEqual(['no-op db/0', 'no-op app/0', 'no-op app/1', 'no-op app/2']);
    expect(plan.waves).toEqual([]);
  });

  it('that changes no VEE has no waves, though the manifest is another', () => {
    const wanted = { ...shop, description: 'better' };
    expect(planFor(shop, wanted, { members: running }).waves).toEqual([]);
  });

  it.each([
    ['an image', { image: 'other' }, 'image busybox → other'],
    ['a command', { command: ['/bin/true'] }, 'its command changed'],
    ['an environment', { environment: { A: '1' } }, 'environment changed (A)'],
    ['a readiness', { readiness: { kind: 'exec', command: ['/bin/true'] } }, 'its readiness changed'],
    ['a drain hook', { drain: { command: ['/bin/true'] } }, 'its drain hook changed'],
    ['licences', { licences: ['db'] }, 'it takes other licences'],
    ['devices', { capacity: { cpuMillis: 100, memoryMiB: 100, devices: { gpu: 1 } } }, 'gpu 0 → 1'],
    ['a grace time', { stopGraceMillis: 1 }, 'stopGraceMillis 2000 → 1'],
    [
      'what no driver can resize',
      { capacity: { cpuMillis: 100, memoryMiB: 100, diskMiB: 5 } },
      'diskMiB 0 → 5',
    ],
  ])('replaces members whose component has %s changed, one by one', (_, change, why) => {
    const wanted = sketch([{ name: 'db' }, { name: 'app', instances: 3, ...change }], {
      topology: shop.topology,
    });
    const plan = planFor(shop, wanted, { members: running });
    expect(told(plan)).toEqual([
      'no-op db/0',
      `replace app/0: ${why}`,
      `replace app/1: ${why}`,
      `replace app/2: ${why}`,
    ]);
    expect(waveLines(plan)).toEqual([
      'create app/3, destroy vee-app-0',
      'create app/0, destroy vee-app-1',
      'create app/1, destroy vee-app-2',
    ]);
  });

  it('ends the old first where the policy says so', () => {
    const wanted = sketch([{ name: 'db' }, { name: 'app', instances: 3, image: 'other' }], {
      topology: shop.topology,
      update: { maxUnavailable: 2, maxSurge: 0 },
    });
    expect(waveLines(planFor(shop, wanted, { members: running }))).toEqual([
      'destroy vee-app-0, destroy vee-app-1',
      'create app/0, create app/1, destroy vee-app-2',
      'create app/2',
    ]);
  });

  it('resizes where the driver can, within the width of the policy', () => {
    const wanted = sketch([
      { name: 'db' },
      { name: 'app', instances: 3, capacity: { cpuMillis: 200, memoryMiB: 50 } },
    ]);
    const plan = planFor(shop, wanted, { members: running });
    expect(told(plan)[1]).toBe('resize app/0: cpuMillis 100 → 200: memoryMiB 100 → 50');
    expect(waveLines(plan)).toEqual(['resize vee-app-0', 'resize vee-app-1', 'resize vee-app-2']);
  });

  it('replaces what can’t be resized, and says why', () => {
    const wanted = sketch([
      { name: 'db' },
      { name: 'app', instances: 3, capacity: { cpuMillis: 600, memoryMiB: 100 } },
    ]);
    const rigid = hostNamed('h2', { capabilities: { ...plain.capabilities, liveResize: false } });
    const full = withCpu('h3', 500);
    const plan = planFor(shop, wanted, { members: running, hosts: [hostNamed('h1'), rigid, full] });
    expect(told(plan).slice(1)).toEqual([
      'resize app/0: cpuMillis 100 → 600',
      'replace app/1: cpuMillis 100 → 600: driver simulator can’t resize what runs',
      'replace app/2: cpuMillis 100 → 600: no room to grow where it is (cpuMillis: 500 more needed, 400 free)',
    ]);
  });

  it('does not let two grow into the same room', () => {
    const current = sketch([{ name: 'app', instances: 2 }]);
    const wanted = sketch([{ name: 'app', instances: 2, capacity: { cpuMillis: 500, memoryMiB: 100 } }]);
    const members = membersOf(current, 'app/0@h1', 'app/1@h1');
    const small = withCpu('h1', 800);
    const plan = planFor(current, wanted, { members, hosts: [small] });
    expect(plan.members.map((m) => m.verb)).toEqual(['resize', 'replace']);
  });

  it('keeps the count within the new bounds, starts what is new, and ends what is gone last', () => {
    const wanted = sketch(
      [
        { name: 'app', instances: { min: 1, initial: 1, max: 2 } },
        { name: 'cache', instances: 2 },
      ],
      { topology: { dependencies: [{ component: 'app', dependsOn: ['cache'] }] } },
    );
    const plan = planFor(shop, wanted, { members: running });
    expect(told(plan)).toEqual([
      'no-op app/0',
      'no-op app/1',
      'destroy app/2: 3 → 2 instances',
      'destroy db/0: the manifest has its component no more',
    ]);
    expect(plan.creations).toEqual([{ component: 'cache', count: 2, reason: { reason: 'component-new' } }]);
    expect(waveLines(plan)).toEqual([
      'create cache/0, create cache/1',
      'destroy vee-app-2',
      'destroy vee-db-0',
    ]);
    expect(plan.instances).toEqual({ app: 2, cache: 2 });
  });

  it('changes dependants after what they depend on', () => {
    const wanted = sketch(
      [
        { name: 'db', image: 'other' },
        { name: 'app', instances: 3, image: 'other' },
      ],
      {
        topology: shop.topology,
        update: { maxSurge: 3 },
      },
    );
    expect(waveLines(planFor(shop, wanted, { members: running }))).toEqual([
      'create db/1, destroy vee-db-0',
      'create app/3, create app/4, create app/5, destroy vee-app-0, destroy vee-app-1, destroy vee-app-2',
    ]);
  });

  it('makes good what is missing: it compares VEEs, not manifests', () => {
    const plan = planFor(shop, shop, { members: running.slice(0, 2), instances: { db: 1, app: 3 } });
    expect(plan.creations).toEqual([
      { component: 'app', count: 2, reason: { reason: 'count', from: 1, to: 3 } },
    ]);
    expect(waveLines(plan)).toEqual(['create app/1, create app/2']);
  });

  it('goes on from where one was kept half-way', () => {
    const wanted = sketch([{ name: 'db' }, { name: 'app', instances: 3, image: 'other' }], {
      topology: shop.topology,
    });
    const mixed = [...running.slice(0, 3), ...membersOf(wanted, 'app/3@h3')];
    expect(told(planFor(shop, wanted, { members: mixed }))).toEqual([
      'no-op db/0',
      'replace app/0: image busybox → other',
      'replace app/1: image busybox → other',
      'no-op app/3',
    ]);
  });

  it('only ends what an operation that was given up had recorded and not started', () => {
    const stillborn = running.slice(3).map((v) => ({ ...v, state: 'DEFINED' as const }));
    const plan = planFor(shop, shop, {
      members: [...running.slice(0, 3), ...stillborn],
      instances: { db: 1, app: 2 },
    });
    expect(waveLines(plan)).toEqual(['destroy vee-app-2']);
  });

  it('is refused when its history, and that of its way back, would be more than a workflow may have', () => {
    const many = (image: string, maxSurge: number) =>
      sketch([{ name: 'app', instances: 500, image, capacity: { cpuMillis: 1, memoryMiB: 1 } }], {
        update: { maxSurge },
      });
    const labels = Array.from({ length: 500 }, (_, i) => `app/${i}@h1`);
    const members = membersOf(many('busybox', 1), ...labels);
    const excess = (maxSurge: number) =>
      excessOf(planFor(many('busybox', maxSurge), many('other', maxSurge), { members }).waves);
    const refused = excess(1);
    expect(refused).toMatchObject({ kind: 'excessive', changes: 1_000 });
    expect(refused && recompositionRefusal(refused)).toMatchObject({
      code: 'manifest-not-executed',
      message: expect.stringContaining('1000 changes'),
    });
    expect(excess(50)).toBeUndefined();
  });

  it.each([
    ['is paused', { state: 'PAUSED' as const }, three, 'it is PAUSED'],
    [
      'is on a lost host',
      {},
      [...three.slice(0, 2), hostNamed('h3', { liveness: 'lost' })],
      'its host h3 is lost',
    ],
  ])('is refused when a VEE that would change %s, and not when it would stay', (_, state, hosts, because) => {
    const members = [...running.slice(0, 3), ...running.slice(3).map((v) => ({ ...v, ...state }))];
    const wanted = sketch([{ name: 'db' }, { name: 'app', instances: 3, image: 'other' }]);
    expect(answerFor(shop, wanted, { members, hosts })).toMatchObject({
      kind: 'blocked',
      blocks: [{ component: 'app', index: 2, because }],
    });
    expect(answerFor(shop, shop, { members, hosts }).kind).toBe('recomposition');
  });
});

describe('members that a new constraint drives away', () => {
  const current = sketch([{ name: 'db' }, { name: 'app', instances: 2 }]);
  const members = membersOf(current, 'db/0@h1', 'app/0@h1', 'app/1@h1');
  const cold = three.map((h) => ({ ...h, capabilities: { ...h.capabilities, migration: 'cold' as const } }));
  const with_ = (placement: Record<string, unknown>, update?: Record<string, unknown>) =>
    sketch([{ name: 'db' }, { name: 'app', instances: 2 }], { placement, ...(update ? { update } : {}) });

  it('are moved, and no more of them than need be', () => {
    const plan = planFor(current, with_({ antiAffinity: [{ within: 'app' }] }), { members });
    expect(told(plan)).toEqual([
      'no-op db/0',
      'no-op app/0',
      'move app/1: breaches antiAffinity(within app): app/0 is on h1 too',
    ]);
    expect(waveLines(plan)).toEqual(['move vee-app-1']);
  });

  it('gather where most of them are', () => {
    const spread = membersOf(current, 'db/0@h2', 'app/0@h1', 'app/1@h1');
    const plan = planFor(current, with_({ affinity: [{ together: ['db', 'app'] }] }), { members: spread });
    expect(told(plan)[0]).toBe('move db/0: breaches affinity(db, app): the others are on h1');
  });

  it('are moved cold only where one may be missing, and else replaced', () => {
    const apart = { antiAffinity: [{ within: 'app' }] };
    const strict = planFor(current, with_(apart), { members, hosts: cold });
    expect(strict.members[2]).toMatchObject({ verb: 'replace', reasons: [{}, { reason: 'cold-migration' }] });
    const lenient = planFor(current, with_(apart, { maxUnavailable: 1 }), { members, hosts: cold });
    expect(lenient.members[2]).toMatchObject({ verb: 'move' });
  });

  it('go by labels, and a member that is replaced anyway is in nobody’s way', () => {
    const racks = [hostNamed('h1'), hostNamed('h2', { labels: { rack: 'r2' } })];
    const wanted = sketch(
      [
        { name: 'db', image: 'other' },
        { name: 'app', instances: 2 },
      ],
      {
        placement: {
          assignment: [{ component: 'db', labels: { rack: 'r2' } }],
          antiAffinity: [{ between: ['db', 'app'] }],
        },
      },
    );
    const plan = planFor(current, wanted, { members, hosts: racks });
    expect(told(plan)).toEqual(['replace db/0: image busybox → other', 'no-op app/0', 'no-op app/1']);
  });
});

describe('a rehearsal', () => {
  const context = { now: 0, seed: operationId, blueprintId: 'bp-1' as BlueprintId, operationId };
  const striping = { name: 'striping' } as const;
  const play = (current: Manifest, wanted: Manifest, members: readonly VeeRecord[], hosts = three) => {
    const plan = planFor(current, wanted, { members, hosts });
    const handing = { service: { id: serviceId, tenantId }, current, wanted, waves: plan.waves };
    return { plan, played: rehearse(snapshotWith(hosts, members), handing, members, striping, context) };
  };
  const apart = { placement: { antiAffinity: [{ within: 'app' }] } };
  const old = sketch([{ name: 'app', instances: 3 }], apart);
  const members = membersOf(old, 'app/0@h1', 'app/1@h2', 'app/2@h3');

  it('finds that a constraint leaves no host for one too many, before anything is changed', () => {
    const { played } = play(old, sketch([{ name: 'app', instances: 3, image: 'other' }], apart), members);
    expect(played).toMatchObject({ kind: 'infeasible', wave: 0, why: { unplaced: [{ index: 3 }] } });
  });

  it('finds the room that the old leave when they go first', () => {
    const wanted = sketch([{ name: 'app', instances: 3, image: 'other' }], {
      ...apart,
      update: { maxUnavailable: 1, maxSurge: 0 },
    });
    const { plan, played } = play(old, wanted, members);
    if (played.kind === 'infeasible') throw new Error('infeasible');
    expect(describeRecomposition(plan, played).slice(3)).toEqual([
      'wave 1 of 4: destroy app/0',
      'wave 2 of 4: create app/0 on h1 (the only host that can take it); destroy app/1',
      'wave 3 of 4: create app/1 on h2 (the only host that can take it); destroy app/2',
      'wave 4 of 4: create app/2 on h3 (the only host that can take it)',
    ]);
  });

  it('does not hold what is new against what goes', () => {
    const loose = sketch([{ name: 'app', instances: 2 }]);
    const together = membersOf(loose, 'app/0@h1', 'app/1@h1');
    const wanted = sketch([{ name: 'app', instances: 2, image: 'other' }], apart);
    const hosts = three.slice(0, 2);
    const { played } = play(loose, wanted, together, hosts);
    if (played.kind === 'infeasible') throw new Error('infeasible');
    const placed = played.waves.flatMap((w) => w.creates.map((c) => c.hostId));
    expect([...placed].sort()).toEqual(['h1', 'h2']);
  });
});
