import type { BlueprintId, HostId, ServiceId, VeeId } from '../../domain/ids';
import type { Manifest } from '../../domain/manifest/schema';
import { constraintsOf } from '../../domain/placement/constraints';
import type { Constraint, Snapshot, SnapshotHost, SpareVee } from '../../domain/placement/model';
import { refusalCounts, refusalSummary } from '../../domain/placement/refusal-summary';
import { recompose } from '../../domain/service/recompose';
import { rehearse } from '../../domain/service/rehearsal';
import { add, ZERO } from '../../domain/units';
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

const context = { now: 0, seed: operationId, blueprintId: 'bp-1' as BlueprintId, operationId };
const four = ['h1', 'h2', 'h3', 'h4'].map((id) => hostNamed(id));
const deny = (of: ServiceId, component: string, denyHosts: string[]): Constraint => ({
  ...{ kind: 'assignment', serviceId: of, component, labels: {}, denyHosts },
});

/** A VEE of another service. */
const other = (name: string, hostId: string, cpuMillis: number, denyHosts: string[] = []): SpareVee => {
  const own = `svc-${name}` as ServiceId;
  return {
    ...{ id: `vee-${name}` as VeeId, tenantId, serviceId: own, component: name, hostId: hostId as HostId },
    ...{ image: 'busybox', need: { ...ZERO, cpuMillis }, slaClass: 'bronze' },
    constraints: [deny(own, name, denyHosts)],
  };
};

function siteWith(
  hosts: readonly SnapshotHost[],
  current: Manifest,
  members: readonly VeeRecord[],
  others: readonly SpareVee[],
): Snapshot {
  const seen = snapshotWith(hosts, members);
  const constraints = constraintsOf(current, serviceId);
  const mine = members.map((v): SpareVee => {
    const { id, component, hostId, template } = v;
    return {
      ...{ id, tenantId, serviceId, component, hostId, image: template.image, need: template.capacity },
      ...{ slaClass: 'bronze', constraints },
    };
  });
  return {
    ...seen,
    hosts: seen.hosts.map((h) => ({
      ...h,
      reserved: others.filter((v) => v.hostId === h.id).reduce((sum, v) => add(sum, v.need), h.reserved),
    })),
    vees: [...seen.vees, ...others],
    spare: { lose: 'host', least: 'bronze', vees: [...mine, ...others] },
  };
}

function play(current: Manifest, wanted: Manifest, members: readonly VeeRecord[], snapshot: Snapshot) {
  const instances = { app: members.length };
  const plan = recompose({ serviceId, current, wanted, instances, members, hosts: snapshot.hosts, at: 0 });
  if (plan.kind === 'blocked') throw new Error('blocked');
  const handing = { service: { id: serviceId, tenantId }, current, wanted, waves: plan.waves };
  return rehearse(snapshot, handing, members, { name: 'striping' }, context);
}

describe('a re-composition, where room is kept for losses', () => {
  const capacity = { cpuMillis: 700, memoryMiB: 1 };

  it('is refused for what would have no place, and its tenant is not told whose', () => {
    const current = sketch([{ name: 'app', capacity, instances: 1 }]);
    const members = membersOf(current, 'app/0@h1');
    const snapshot = siteWith(four.slice(0, 3), current, members, [other('large', 'h2', 900)]);
    const wanted = sketch(['app', 'extra'].map((name) => ({ name, capacity, instances: 1 })));
    const played = play(current, wanted, members, snapshot);
    if (played.kind === 'feasible') throw new Error('the room was taken');
    expect(refusalSummary(played.why)).toMatch(/room is kept for losses .* no place for large \(vee-large\)/);
    expect(refusalCounts(played.why)).toBe('No host can take extra/0: 1 × capacity.');
  });

  it('may have what a move leaves', () => {
    // Once it has gone to the second host, what is on the third has only the first to go to.
    const current = sketch([{ name: 'app', capacity, instances: 1 }]);
    const wanted = sketch([{ name: 'app', capacity, instances: 1 }], {
      placement: { assignment: [{ component: 'app', denyHosts: ['h1'] }] },
    });
    const members = membersOf(current, 'app/0@h1');
    const others = [other('data', 'h3', 700, ['h4']), other('small', 'h4', 100)];
    const played = play(current, wanted, members, siteWith(four, current, members, others));
    expect(played).toMatchObject({ kind: 'feasible', waves: [{ move: { hostId: 'h2' } }] });
  });

  it('may replace what has no place to go as it is', () => {
    const current = sketch([{ name: 'app', capacity, instances: 2 }]);
    const wanted = sketch([{ name: 'app', capacity, instances: 2, image: 'other' }], {
      update: { maxUnavailable: 1, maxSurge: 0 },
    });
    const members = membersOf(current, 'app/0@h1', 'app/1@h2');
    const played = play(current, wanted, members, siteWith(four.slice(0, 2), current, members, []));
    expect(played.kind).toBe('feasible');
  });
});
