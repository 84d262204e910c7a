import fc from 'fast-check';
import type { BlueprintId, HostId, OperationId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { compactVerdicts, expandVerdicts, type Judged } from '../../domain/placement/compact';
import type { HostVerdict, RequestedVee, SnapshotHost } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { ZERO } from '../../domain/units';

const verdict = fc.record(
  {
    hostId: fc.constantFrom('h1', 'h2', 'h3').map((h) => h as HostId),
    refusals: fc.constantFrom<HostVerdict['refusals']>(
      [],
      [{ reason: 'cordoned' }],
      [{ reason: 'cordoned' }, { reason: 'not-up', liveness: 'lost' }],
      [{ reason: 'capacity', dimension: 'cpuMillis', need: 10, free: 3 }],
    ),
    score: fc.constantFrom(0, 0.25, 1),
  },
  { requiredKeys: ['hostId', 'refusals'] },
);
const judged: fc.Arbitrary<Judged> = fc.record({
  component: fc.constantFrom('a', 'b'),
  verdicts: fc.uniqueArray(verdict, { selector: (v) => v.hostId, maxLength: 3 }),
});

/** As many VEEs as a service may have on a hundred hosts, some of which refuse some of them. */
function largePlan() {
  const serviceId = 'svc-1' as ServiceId;
  const hosts = Array.from(
    { length: 100 },
    (_, i): SnapshotHost => ({
      id: `host-${i}` as HostId,
      zone: 'zone-a',
      labels: i % 3 === 0 ? { disk: 'ssd' } : {},
      liveness: i % 10 === 0 ? 'suspect' : 'up',
      cordoned: i % 7 === 0,
      driver: 'simulator',
      capabilities: {
        pause: true,
        suspend: true,
        liveResize: true,
        migration: 'live',
        exec: true,
        logs: true,
        enforces: { cpu: true, memory: true, disk: true },
      },
      images: ['busybox'],
      capacity: { cpuMillis: 4_000, memoryMiB: 10_000, diskMiB: 10_000, bandwidthKbps: 10_000 },
      reserved: ZERO,
    }),
  );
  const vees = Array.from({ length: 1_000 }, (_, i): RequestedVee => {
    const component = i % 4 === 0 ? 'db' : 'app';
    return {
      id: `vee-${i}` as VeeId,
      tenantId: 'acme' as TenantId,
      serviceId,
      component,
      index: i,
      need: { cpuMillis: component === 'db' ? 200 : 100, memoryMiB: 10, diskMiB: 0, bandwidthKbps: 0 },
      image: 'busybox',
    };
  });
  const answer = plan(
    { at: 1, hosts, vees: [] },
    {
      vees,
      constraints: [
        { kind: 'apart-between', level: 'host', serviceId, components: ['db', 'app'] },
        { kind: 'assignment', serviceId, component: 'db', labels: { disk: 'ssd' }, denyHosts: [] },
      ],
    },
    { name: 'striping' },
    { now: 1, seed: 's', blueprintId: 'bp-1' as BlueprintId, operationId: 'op-1' as OperationId },
  );
  if (answer.kind !== 'blueprint') throw new Error('it was meant to fit');
  return answer.assignments;
}

describe('verdicts kept in little room', () => {
  it('are the same when they are read again', () => {
    fc.assert(
      fc.property(fc.array(judged, { maxLength: 12 }), (lists) => {
        // By way of JSON, as by way of the database.
        const kept = JSON.parse(JSON.stringify(compactVerdicts(lists)));
        expect(expandVerdicts(kept)).toEqual(lists.map((l) => l.verdicts));
      }),
      { numRuns: 500 },
    );
  });

  it('of the largest service on a hundred hosts stay far below what a document may hold', () => {
    const assignments = largePlan();
    const kept = compactVerdicts(assignments);
    expect(expandVerdicts(kept)).toEqual(assignments.map((a) => a.verdicts));
    const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
    expect(bytes(kept)).toBeLessThan(262_144);
    expect(bytes(assignments.map((a) => a.verdicts))).toBeGreaterThan(30 * bytes(kept));
  });
});
