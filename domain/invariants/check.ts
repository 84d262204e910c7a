import { type LedgerEvent, ledgerFaults } from '../accounting/ledger';
import { groupBy } from '../group-by';
import type { HostRecord } from '../host';
import type { HostId } from '../ids';
import { hasEnded, type OperationRecord } from '../operation/operation';
import { breaches } from '../placement/constraints';
import type { Constraint, SnapshotHost } from '../placement/model';
import type { ServiceRecord } from '../service/service';
import { DIMENSIONS, sum } from '../units';
import { occupiesHost } from '../vee/state-machine';
import type { VeeRecord } from '../vee/vee';

/** Everything the checks look at, read from a live system at one time. */
export interface SystemState {
  readonly now: number;
  readonly hosts: readonly HostRecord[];
  readonly snapshotHosts: readonly SnapshotHost[];
  readonly vees: readonly VeeRecord[];
  readonly services: readonly ServiceRecord[];
  readonly operations: readonly OperationRecord[];
  readonly ledger: readonly LedgerEvent[];
  readonly constraints: readonly Constraint[];
  /** Ids of operations whose workflow is open in Temporal; undefined when Temporal could not be asked. */
  readonly openOperations: ReadonlySet<string> | undefined;
  /** Idempotency keys with the operation that each was answered with. */
  readonly idempotencyKeys: readonly {
    readonly key: string;
    readonly answeredOperationId: string | undefined;
  }[];
}

export interface InvariantReport {
  /** The number in DESIGN.md §6. */
  readonly number: number;
  readonly title: string;
  readonly checked: number;
  readonly violations: readonly string[];
}

/** An operation may be recorded and not yet started for as long as a start may take. */
const START_GRACE_MILLIS = 60_000;

/** Records are read one after the other: what changed so shortly before may look torn. */
const SETTLED_MILLIS = 2_000;

type Check = (s: SystemState) => Omit<InvariantReport, 'number' | 'title'>;

const INVARIANTS: readonly { number: number; title: string; check: Check }[] = [
  { number: 1, title: 'A VEE runs on at most one host, and where it is recorded', check: runsOnce },
  {
    number: 2,
    title: 'Reservations never exceed what a host offers, and each has its VEE',
    check: reservationsHold,
  },
  { number: 3, title: 'Every operation ends, and none waits unseen', check: operationsEnd },
  { number: 4, title: 'Metered intervals are contiguous and do not overlap', check: ledgerWhole },
  { number: 5, title: 'The same write with the same key has one effect', check: keysOnce },
  { number: 6, title: 'No tenant’s VEE or operation belongs to another’s service', check: tenantsApart },
  { number: 7, title: 'Affinity, anti-affinity and assignment hold', check: constraintsHold },
];

export function checkInvariants(state: SystemState): InvariantReport[] {
  return INVARIANTS.map(({ number, title, check }) => ({ number, title, ...check(state) }));
}

/**
 * By what drivers report, not only by what we recorded: two records can't both be wrong alike. A report that
 * is older than a record's last change says nothing about it, and a silent host's may be long out of date.
 */
function runsOnce({ hosts, vees }: SystemState) {
  const byId = new Map(vees.map((v) => [v.id as string, v]));
  const fresh = hosts.flatMap((h) =>
    h.reported
      .filter((r) => r.state === 'ACTIVE' && h.reportedAt > (byId.get(r.veeId)?.updatedAt ?? 0))
      .map((r) => ({ veeId: r.veeId, hostId: h.id as string })),
  );
  const running = groupBy(fresh, (r) => r.veeId);
  const violations: string[] = [];
  for (const [veeId, on] of running) {
    const where = on.map((r) => r.hostId).join(' and ');
    if (on.length > 1) violations.push(`${veeId} runs on ${where}`);
    const vee = byId.get(veeId);
    if (!vee || vee.state === 'DESTROYED')
      violations.push(`${veeId} runs on ${where}, and is recorded ${vee ? 'destroyed' : 'nowhere'}`);
  }
  const answering = new Map(hosts.filter((h) => h.liveness === 'up').map((h) => [h.id, h]));
  for (const v of vees) {
    if (v.state !== 'ACTIVE' || v.transition !== null) continue;
    const host = answering.get(v.hostId);
    if (!host || host.reportedAt <= v.updatedAt) continue;
    if (!host.reported.some((r) => r.veeId === v.id && r.state === 'ACTIVE'))
      violations.push(
        `${v.id} is recorded ACTIVE on ${v.hostId}, which does not run it: sluice restart ${v.id}`,
      );
  }
  return { checked: vees.length, violations };
}

function reservationsHold({ hosts, vees, operations }: SystemState) {
  const veeById = new Map(vees.map((v) => [v.id as string, v]));
  const underWay = operations.filter((o) => !hasEnded(o));
  const open = new Set(underWay.map((o) => o.id as string));
  // While an operation works on a service, its VEEs may hold or lack a place for a moment.
  const moving = new Set(underWay.map((o) => o.serviceId as string));
  const violations: string[] = [];
  let checked = 0;
  for (const host of hosts) {
    const total = sum(Object.values(host.reservations).map((r) => r.amount));
    for (const d of DIMENSIONS) {
      if (total[d] !== host.reserved[d])
        violations.push(
          `${host.id}: ${d} reserved ${host.reserved[d]}, but its reservations add up to ${total[d]}`,
        );
      if (total[d] > host.fingerprint.capacity[d])
        violations.push(`${host.id}: ${total[d]} ${d} reserved of ${host.fingerprint.capacity[d]}`);
    }
    for (const [veeId, r] of Object.entries(host.reservations)) {
      checked++;
      const vee = veeById.get(veeId);
      const held = vee && occupiesHost(vee.state) && vee.hostId === host.id;
      if (!held && !open.has(r.operationId) && !(vee && moving.has(vee.serviceId)))
        violations.push(`${host.id}: the reservation of ${veeId} was never released`);
    }
  }
  for (const v of vees) {
    if (!occupiesHost(v.state) || moving.has(v.serviceId)) continue;
    const host = hosts.find((h) => h.id === v.hostId);
    if (host && !host.reservations[v.id])
      violations.push(`${v.id} occupies ${v.hostId} without a reservation`);
  }
  return { checked, violations };
}

function operationsEnd({ operations, openOperations, services, vees, now }: SystemState) {
  const violations: string[] = [];
  const byId = new Map(operations.map((o) => [o.id as string, o]));
  for (const o of operations) {
    if (hasEnded(o)) {
      if (o.state === 'stuck' && !o.stuck) violations.push(`${o.id} is stuck without a reason`);
    } else if (o.state === 'queued') {
      const waited = o.behind?.map((id) => byId.get(id)).filter((b) => b && !hasEnded(b)) ?? [];
      if (waited.length === 0 && now - o.createdAt > START_GRACE_MILLIS)
        violations.push(`${o.id} is queued behind nothing that runs`);
    } else if (o.state === 'pending') {
      if (now - o.createdAt > START_GRACE_MILLIS)
        violations.push(`${o.id} was recorded ${now - o.createdAt} ms ago and never started`);
    } else if (
      openOperations &&
      !openOperations.has(o.id) &&
      now - (o.startedAt ?? o.createdAt) > SETTLED_MILLIS
    ) {
      violations.push(`${o.id} is recorded ${o.state}, but no workflow carries it`);
    }
  }
  for (const v of vees) {
    const op = v.transition && byId.get(v.transition.operationId);
    if (v.transition && (!op || hasEnded(op)))
      violations.push(`${v.id} is left in transition by ${v.transition.operationId}`);
  }
  const passing = new Set([
    'requested',
    'negotiated',
    'reserved',
    'deploying',
    'registered',
    'recomposing',
    'decommissioning',
  ]);
  for (const s of services) {
    if (!passing.has(s.phase)) continue;
    if (!operations.some((o) => o.serviceId === s.id && (!hasEnded(o) || o.state === 'stuck')))
      violations.push(`${s.id} is left ${s.phase} with no operation under way`);
  }
  return { checked: operations.length, violations };
}

function ledgerWhole({ ledger, vees, now }: SystemState) {
  const byVee = groupBy(ledger, (e) => e.veeId);
  const violations: string[] = [];
  for (const [veeId, events] of byVee) {
    events.sort((a, b) => a.seq - b.seq);
    for (const fault of ledgerFaults(events)) violations.push(`${veeId}: ${fault}`);
  }
  for (const v of vees) {
    // Its record and its ledger are read one after the other; a commit may have come in between.
    if (v.updatedAt > now - SETTLED_MILLIS) continue;
    const last = byVee.get(v.id)?.at(-1);
    const closed = last === undefined || last.kind === 'destroyed';
    if (v.state === 'DESTROYED' && !closed) violations.push(`${v.id} is destroyed and still metered`);
    if (['ACTIVE', 'PAUSED', 'SUSPENDED'].includes(v.state) && closed)
      violations.push(`${v.id} is ${v.state} and not metered`);
    if (last && !closed && last.hostId !== v.hostId)
      violations.push(`${v.id} is metered on ${last.hostId} and recorded on ${v.hostId}`);
  }
  return { checked: ledger.length, violations };
}

/** What was answered under a key is there, and was made once. */
function keysOnce({ idempotencyKeys, operations }: SystemState) {
  const known = new Set(operations.map((o) => o.id as string));
  const violations = idempotencyKeys
    .filter((k) => k.answeredOperationId !== undefined && !known.has(k.answeredOperationId))
    .map((k) => `a key was answered with ${k.answeredOperationId}, which does not exist`);
  const provisioned = groupBy(
    operations.filter((o) => o.kind === 'service.provision'),
    (o) => o.serviceId,
  );
  for (const [serviceId, of] of provisioned)
    if (of.length > 1) violations.push(`${serviceId} was provisioned ${of.length} times`);
  return { checked: idempotencyKeys.length + provisioned.size, violations };
}

function tenantsApart({ services, vees, operations }: SystemState) {
  const owner = new Map(services.map((s) => [s.id as string, s.tenantId]));
  const violations = [...vees, ...operations].flatMap((r) => {
    const mine = r.serviceId && owner.get(r.serviceId);
    return mine && mine !== r.tenantId ? [`${r.id} of ${r.tenantId} belongs to a service of ${mine}`] : [];
  });
  return { checked: vees.length + operations.length, violations };
}

function constraintsHold({ constraints, vees, snapshotHosts }: SystemState) {
  const hosts = new Map<HostId, SnapshotHost>(snapshotHosts.map((h) => [h.id, h]));
  const placed = vees.filter((v) => occupiesHost(v.state));
  return { checked: constraints.length, violations: constraints.flatMap((c) => breaches(c, placed, hosts)) };
}
