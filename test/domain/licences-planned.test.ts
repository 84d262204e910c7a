import type { BlueprintId, HostId } from '../../domain/ids';
import { decideInTurn } from '../../domain/maintenance/plan';
import type { Manifest } from '../../domain/manifest/schema';
import { decideMoves, type MoveQuestion } from '../../domain/migration/plan-moves';
import { LicenceDesk } from '../../domain/placement/licence-desk';
import { type LicencePool, placeOf } from '../../domain/placement/licences';
import type { Snapshot, SnapshotHost } from '../../domain/placement/model';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { additionRequest, migrationRequest } from '../../domain/placement/request';
import { roomForService } from '../../domain/placement/room';
import { recompose } from '../../domain/service/recompose';
import { recompositionRemedies } from '../../domain/service/recompose-remedies';
import { memberMoveRequest, rehearse } from '../../domain/service/rehearsal';
import type { ServiceRecord } from '../../domain/service/service';
import type { VeeRecord } from '../../domain/vee/vee';
import { host, licensedSite, placed, vee } from '../support/placement';
import {
  hostNamed,
  membersOf,
  operationId,
  serviceId,
  sketch,
  snapshotWith,
  tenantId,
} from '../support/recompose';

const context = { now: 0, seed: operationId, blueprintId: 'bp-1' as BlueprintId, operationId };
const policy = { name: 'striping' };
const budget = { linkKbps: 1_000_000, streamKbps: 1_000_000 };
const wide = { cpuMillis: 9_000, memoryMiB: 9_000, diskMiB: 9_000, bandwidthKbps: 9_000 };
const hosts = ['h1', 'h2', 'h3'].map((id) => hostNamed(id, { capacity: wide }));
const licences = ['db'];
const perVee = (count: number): LicencePool => ({ name: 'db', count, per: 'vee' });
const perHost = (count: number): LicencePool => ({ name: 'db', count, per: 'host' });
const perCore = (count: number): LicencePool => ({ name: 'db', count, per: 'core' });

function siteOf(
  pool: LicencePool,
  members: readonly VeeRecord[],
  all: readonly SnapshotHost[] = hosts,
): Snapshot {
  const places = members.map((v) =>
    placeOf({ id: v.id, need: v.template.capacity, licences: v.template.licences }, v.hostId),
  );
  return { ...snapshotWith(all, members), licences: { pools: [pool], places } };
}

function play(
  pool: LicencePool,
  current: Manifest,
  wanted: Manifest,
  members: readonly VeeRecord[],
  all: readonly SnapshotHost[] = hosts,
) {
  const snapshot = siteOf(pool, members, all);
  const instances = Object.fromEntries(current.components.map((c) => [c.name, c.instances.initial]));
  const plan = recompose({ serviceId, current, wanted, instances, members, hosts: snapshot.hosts, at: 0 });
  if (plan.kind === 'blocked') throw new Error('blocked');
  const handing = { service: { id: serviceId, tenantId }, current, wanted, waves: plan.waves };
  return rehearse(snapshot, handing, members, policy, context);
}

const size = (cpuMillis: number) => ({ cpuMillis, memoryMiB: 100 });

describe('licences in a rehearsal', () => {
  const two = sketch([{ name: 'db', instances: 2, licences, capacity: size(1_000) }]);
  const members = membersOf(two, 'db/0@h1', 'db/1@h2');

  it('are counted as VEEs grow where they are, one after the other', () => {
    const grown = sketch([{ name: 'db', instances: 2, licences, capacity: size(1_500) }]);
    expect(play(perCore(4), two, grown, members).kind).toBe('feasible');
    const short = play(perCore(3), two, grown, members);
    if (short.kind === 'feasible') throw new Error('feasible');
    expect(refusalSummary(short.why)).toContain('all 3 of db are in use');
    expect(play(perVee(2), two, grown, members).kind).toBe('feasible');
  });

  it('are taken by what is new, and given back by what goes', () => {
    const free = sketch([{ name: 'db', instances: 2 }]);
    const plain = membersOf(free, 'db/0@h1', 'db/1@h2');
    expect(play(perVee(1), free, sketch([{ name: 'db', instances: 2, licences }]), plain)).toMatchObject({
      ...{ kind: 'infeasible', wave: 1 },
    });
    const anew = sketch([{ name: 'db', instances: 2, licences, image: 'other', capacity: size(1_000) }], {
      update: { maxUnavailable: 1, maxSurge: 0 },
    });
    expect(play(perVee(2), two, anew, members).kind).toBe('feasible');
  });

  it('are taken by the new host of what moves, and by the old one until the end', () => {
    const racked = ['h1', 'h2', 'h3'].map((id) =>
      hostNamed(id, { capacity: wide, labels: id === 'h1' ? {} : { rack: 'r2' } }),
    );
    const apart = { antiAffinity: [{ within: 'db' }] };
    const spread = sketch([{ name: 'db', instances: 2, licences }]);
    const there = membersOf(spread, 'db/0@h1', 'db/1@h1');
    const assignment = [{ component: 'db', labels: { rack: 'r2' } }];
    const wanted = sketch([{ name: 'db', instances: 2, licences }], { placement: { ...apart, assignment } });
    expect(play(perHost(3), spread, wanted, there, racked).kind).toBe('feasible');
    expect(play(perHost(2), spread, wanted, there, racked).kind).toBe('infeasible');
  });

  it('are short for what is made before the old one goes: it is said what would do', () => {
    const wanted = sketch([{ name: 'db', instances: 2, licences, image: 'other', capacity: size(1_000) }]);
    const service = { id: serviceId, tenantId, instances: { db: 2 } } as unknown as ServiceRecord;
    const asked = (pool: LicencePool) => ({
      ...{ service, current: two, wanted, members, policy, snapshot: siteOf(pool, members) },
    });
    expect(play(perVee(2), two, wanted, members).kind).toBe('infeasible');
    expect(recompositionRemedies(asked(perVee(2)), context)).toEqual([
      'with update.maxUnavailable 1 and maxSurge 0: the old one goes before the new one comes',
    ]);
    expect(recompositionRemedies(asked(perVee(1)), context)).toEqual([]);
    const first = { ...wanted, update: { maxUnavailable: 1, maxSurge: 0, onFailure: 'rollback' as const } };
    expect(recompositionRemedies({ ...asked(perVee(2)), wanted: first }, context)).toEqual([]);
  });
});

describe('licences of what is asked for', () => {
  const manifest = sketch([{ name: 'db', instances: 1, licences }]);
  const [member] = membersOf(manifest, 'db/0@h1') as [VeeRecord];

  it('are those of the manifest, and of the VEE that moves', () => {
    const service = { id: serviceId, tenantId };
    const added = additionRequest(manifest, service, operationId, [{ component: 'db', indices: [0] }]);
    const moved = migrationRequest(manifest, member, { fingerprint: { driver: 'x' } } as never, undefined);
    const handing = { service, current: manifest, wanted: manifest, waves: [] };
    const source = { id: 'h1' as HostId, driver: 'x' };
    const handed = memberMoveRequest(handing, 0, member, source);
    for (const { vees } of [added, moved, handed]) expect(vees.map((v) => v.licences)).toEqual([licences]);
    expect(handed.vees).toEqual(moved.vees);
  });

  const question = (pool: LicencePool, members: readonly VeeRecord[]): MoveQuestion => ({
    ...{ verb: 'migrate', manifest, serviceId, vees: members, policy, budget, context, params: {} },
    hosts: hosts.map(({ id, liveness, cordoned, driver, capabilities }) => ({
      ...{ id, liveness, cordoned, fingerprint: { driver, capabilities } as never },
    })),
    snapshot: siteOf(pool, members),
  });

  it('are carried over from one service to the next as a host is emptied', () => {
    const alone = question(perHost(2), [member]);
    const decided = decideMoves(alone);
    expect(decided).toMatchObject({ kind: 'moves', moves: [{ licences }] });
    // Those that stay on the host that is emptied go in turn: the first takes the last one, for another host.
    const { snapshot, ...rest } = alone;
    const other = { ...member, id: 'vee-other' as VeeRecord['id'] };
    const both = siteOf(perHost(2), [member, other]);
    const [first, second] = decideInTurn(
      [
        { ...rest, vees: [member], params: { toHostId: 'h2' } },
        { ...rest, vees: [other], params: { toHostId: 'h3' } },
      ],
      { ...both, hosts: snapshot.hosts },
    );
    expect(first?.moves).toHaveLength(1);
    expect(second).toMatchObject({ moves: [], left: [{ error: { code: 'placement-infeasible' } }] });
  });

  it('end the room for services', () => {
    const room = roomForService({ snapshot: siteOf(perVee(2), []), manifest, policy });
    expect(room).toMatchObject({ services: 2, because: expect.stringContaining('all 2 of db are in use') });
  });
});

describe('what a desk knows of licences', () => {
  it('is asked anew once something was placed, and what was before is not forgotten', () => {
    const [a, b] = [[{ ...vee('a', 0), licences }], [{ ...vee('b', 0), licences }]];
    for (const pool of [perVee(1), perCore(1), perHost(1)]) {
      const desk = LicenceDesk.of(licensedSite(hosts, [pool]), { vees: [...a, ...b], constraints: [] });
      const [h1, h2] = ['h1' as HostId, 'h2' as HostId];
      expect([desk?.refusal(b, h2, 'now'), desk?.refusal(b, h2, 'before')]).toEqual([undefined, undefined]);
      desk?.put(a, h1);
      expect(desk?.refusal(b, h2, 'now')).toMatchObject({ licence: 'db', used: 1, of: 1 });
      expect(desk?.refusal(b, h2, 'before')).toBeUndefined();
      expect(desk?.refusal(b, h1, 'now') === undefined).toBe(pool.per === 'host');
    }
  });
});

describe('a licence that a host has taken', () => {
  it('is used rather than another one, unless that host is much fuller', () => {
    const asked = { vees: [{ ...vee('a', 0), licences }], constraints: [] };
    const full = (cpuMillis: number) => ({ reserved: { ...host('h', 1).reserved, cpuMillis } });
    const where = (cpuMillis: number, pool: LicencePool) => {
      const all = [host('h1', 4_000, full(cpuMillis)), host('h2', 4_000)];
      const held = placeOf({ ...vee('x', 0), licences }, 'h1' as HostId);
      return placed(licensedSite(all, [pool], [held]), asked, policy)['a/0'];
    };
    expect(where(300, perHost(9))).toBe('h1');
    expect(where(300, perVee(9))).toBe('h2');
    expect(where(500, perHost(9))).toBe('h2');
  });
});
