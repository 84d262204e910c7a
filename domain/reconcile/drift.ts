import { durationText } from '../duration';
import type { HostId, VeeId } from '../ids';
import type { OperationParams } from '../operation/operation';
import { isPassing } from '../service/service';
import type { VeeRecord } from '../vee/vee';
import { type Copies as AllCopies, Copies, type Copy, hasRun, runs, speaks } from './copies';
import { Excuses } from './excuses';
import { inPlace } from './in-place';
import {
  type DriftAction,
  type DriftFinding,
  type DriftKind,
  type DriftPolicy,
  type DriftReport,
  type DriftState,
  findingId,
  STARTING_VERBS,
} from './model';

/**
 * What differs between what is recorded and what drivers report, and what is to be done about it. Nothing here ever
 * leads to a second copy: a copy is started only where it is recorded to be, or anew when no host has one, and in
 * both cases only while no other host has it or may have it. What can't be decided safely is only told.
 */
export function findDrift(state: DriftState, policy: DriftPolicy, narrowed: Narrowing = {}): DriftReport {
  const copies = new Copies(state);
  const raw = [...ofRecords(state, copies), ...ofExtras(state, copies, policy, narrowed)];
  const excuses = new Excuses(state);
  const known = new Map(state.known.map((k) => [k.id, k]));
  // What was mended after the host spoke is not found again in what it said before.
  const current = raw.filter((f) => {
    const mendedAt = known.get(f.id)?.mendedAt;
    return mendedAt === undefined || (copies.hosts.get(f.hostId)?.reportedAt ?? 0) > mendedAt;
  });
  const skipped: DriftFinding[] = [];
  const findings: DriftFinding[] = [];
  for (const f of current) {
    const excuse = excuses.of(f);
    if (excuse) skipped.push({ ...f, action: 'wait', because: `${f.because}; ${excuse}` });
    else findings.push(held(f, state, policy));
  }
  return { findings, skipped, gone: goneOf(state, copies, excuses, new Set(current.map((f) => f.id))) };
}

/** What a look is limited to. */
export type Narrowing = NonNullable<OperationParams['drift']>;

export const within = ({ kinds, hostId }: Narrowing, f: Pick<DriftFinding, 'kind' | 'hostId'>) =>
  (kinds === undefined || kinds.includes(f.kind)) && (hostId === undefined || hostId === f.hostId);

/** Is something done about it? */
export const isActed = ({ action }: Pick<DriftFinding, 'action'>) => action !== 'wait' && action !== 'report';

interface Finder {
  readonly vee: VeeRecord;
  readonly newestEpoch: number;
  readonly copies: AllCopies;
  find(
    kind: DriftKind,
    hostId: HostId,
    copy: Copy | undefined,
    action: DriftAction,
    because: string,
    endAtEpoch?: number,
  ): DriftFinding;
}

function ofRecords(state: DriftState, copies: AllCopies): DriftFinding[] {
  return state.vees.flatMap(({ vee, newestEpoch }) => {
    if (vee.state === 'DESTROYED') return [];
    const phase = state.phases.get(vee.serviceId);
    const halfWay = phase === undefined || phase === 'decommissioned' || isPassing(phase);
    const finder: Finder = {
      vee,
      newestEpoch,
      copies,
      find: (kind, hostId, copy, action, because, endAtEpoch) => {
        // A service that comes or goes, and was left half-way, gets nothing started on its behalf.
        const starts =
          action === 'make-anew' || action === 'adopt' || (STARTING_VERBS as string[]).includes(action);
        const blocked = halfWay && starts;
        return {
          ...describe(kind, hostId, vee, copy),
          action: blocked ? 'report' : action,
          because: blocked ? `${because}; its service is left ${phase ?? 'unrecorded'}: delete it` : because,
          ...(action === 'end' && endAtEpoch !== undefined ? { endAtEpoch } : {}),
        };
      },
    };
    return ofOne(finder);
  });
}

function ofOne(finder: Finder): DriftFinding[] {
  const { vee, copies } = finder;
  const all = copies.of(vee.id);
  const own = all.find((c) => c.host.id === vee.hostId);
  const superseded = all.filter((c) => c.epoch < vee.epoch && speaks(c.host, vee));
  const ends = superseded.map((c) =>
    finder.find(
      c.host.id === vee.hostId ? 'extra' : 'wrong-host',
      c.host.id,
      c,
      'end',
      `epoch ${c.epoch} is superseded by ${vee.epoch} on ${vee.hostId}`,
      vee.epoch,
    ),
  );
  const rivals = all.filter((c) => c.epoch >= vee.epoch && (c.host.id !== vee.hostId || c.epoch > vee.epoch));
  if (rivals.length > 0) return [...ends, ...ofRivals(finder, own, rivals)];
  const home = copies.hosts.get(vee.hostId);
  if (!speaks(home, vee) || (own && own.epoch < vee.epoch)) return ends;
  return [...ends, ...(own ? ofOwn(finder, own) : ofAbsent(finder))];
}

/** Copies at an epoch that is not recorded where they are: of a move that was not recorded, or not taken back. */
function ofRivals(finder: Finder, own: Copy | undefined, rivals: readonly Copy[]): DriftFinding[] {
  const { vee, newestEpoch, copies } = finder;
  const told = (c: Copy, action: DriftAction, because: string) =>
    finder.find(
      'wrong-host',
      c.host.id,
      c,
      action,
      `${c.state} at epoch ${c.epoch} on ${c.host.id}, recorded at ${vee.epoch} on ${vee.hostId}: ${because}`,
      Math.max(newestEpoch, c.epoch),
    );
  const each = (action: DriftAction, because: string) => rivals.map((c) => told(c, action, because));
  if (rivals.some((c) => c.epoch > newestEpoch)) return each('report', 'that epoch was never handed out');
  const silent = rivals.find((c) => !speaks(c.host, vee));
  if (silent) return each('wait', `${silent.host.id} does not answer`);
  if (!speaks(copies.hosts.get(vee.hostId), vee)) return each('wait', `${vee.hostId} does not answer`);
  const recorded = own && own.epoch === vee.epoch ? own : undefined;
  if (recorded && runs(recorded)) return each('end', 'it runs where it is recorded');

  const ran = rivals.filter(hasRun);
  const [only] = ran;
  if (ran.length > 1) return each('report', 'more than one of them has run');
  if (only) {
    const obstacle =
      vee.state !== 'ACTIVE'
        ? `it is recorded ${vee.state}`
        : only.epoch === newestEpoch
          ? undefined
          : copies.silentHolder(vee);
    return [
      obstacle
        ? told(only, 'report', obstacle)
        : told(only, 'adopt', 'it is the one that runs, so the move is recorded'),
    ];
  }
  if (!recorded) return each('report', 'no copy has run, and this may be all that is left of it');
  return rivals.map((c) =>
    c.state === 'INCOMING'
      ? told(c, 'end', 'it never ran, and the recorded host has the VEE')
      : told(c, 'report', 'which of the two is the VEE can’t be told'),
  );
}

function ofOwn(finder: Finder, own: Copy): DriftFinding[] {
  const { vee, copies } = finder;
  const { state, template } = vee;
  const judged = inPlace({ state, capacity: template.capacity }, own, own.host.fingerprint.capabilities);
  if (judged.kind === 'as-recorded') return [];
  const { drift, because } = judged;
  if (judged.kind === 'report') return [finder.find(drift, own.host.id, own, 'report', because)];
  const obstacle = STARTING_VERBS.includes(judged.verb) ? copies.startObstacle(vee) : undefined;
  return [
    obstacle
      ? finder.find(drift, own.host.id, own, 'wait', `${because}; ${obstacle}`)
      : finder.find(drift, own.host.id, own, judged.verb, because),
  ];
}

function ofAbsent(finder: Finder): DriftFinding[] {
  const { vee, copies } = finder;
  const because = `recorded ${vee.state} on ${vee.hostId}, which has no trace of it`;
  const missing = (action: DriftAction, why = '') =>
    finder.find('missing', vee.hostId, undefined, action, why ? `${because}; ${why}` : because);
  // Never started, and left so by an operation that was given up: there is nothing that it should be.
  if (vee.state === 'DEFINED') return [];
  if (vee.state !== 'ACTIVE') return [missing('report', 'what it had in memory is gone')];
  const obstacle = copies.startObstacle(vee);
  return [obstacle ? missing('wait', obstacle) : missing('make-anew')];
}

/** Copies that nothing living is recorded of. */
function ofExtras(
  state: DriftState,
  copies: AllCopies,
  policy: DriftPolicy,
  narrowed: Narrowing,
): DriftFinding[] {
  const records = new Map(state.vees.map((v) => [v.vee.id, v]));
  const known = new Map(state.known.map((k) => [k.id, k]));
  const extras = copies.veeIds().flatMap((id) => {
    const record = records.get(id);
    if (record && record.vee.state !== 'DESTROYED') return [];
    return copies
      .of(id)
      .filter((copy) => speaks(copy.host, record?.vee))
      .map((copy) => ({ id, copy, record }));
  });
  const unknown = extras.filter((e) => !e.record).length;
  const doubted = unknown > policy.mostUnknown && !narrowed.kinds?.includes('extra');
  return extras.map(({ id, copy, record }) => {
    const base = describe('extra', copy.host.id, record?.vee ?? id, copy);
    const because = record ? 'its VEE is destroyed' : 'nothing is recorded of it';
    const first = known.get(base.id);
    const seen = first && first.mendedAt === undefined ? first.firstSeenAt : state.now;
    const due = state.now - seen >= policy.graceMillis && copy.host.reportedAt > seen;
    if (!record && doubted)
      return {
        ...base,
        action: 'report',
        because: `${because}, as of ${unknown} copies: rather the records are lost than that so many are too many. To end them all the same: sluice reconcile --kind extra`,
      };
    if (!due)
      return { ...base, action: 'wait', because: `${because}; it is ended once it was seen for long enough` };
    return { ...base, action: 'end', because, endAtEpoch: Math.max(record?.newestEpoch ?? 0, copy.epoch) };
  });
}

function describe(kind: DriftKind, hostId: HostId, of: VeeRecord | VeeId, copy: Copy | undefined) {
  const vee = typeof of === 'string' ? undefined : of;
  const veeId = typeof of === 'string' ? of : of.id;
  return {
    id: findingId(kind, veeId, hostId),
    kind,
    veeId,
    hostId,
    ...(vee
      ? {
          serviceId: vee.serviceId,
          tenantId: vee.tenantId,
          label: `${vee.component}/${vee.index}`,
          recorded: {
            state: vee.state,
            hostId: vee.hostId,
            epoch: vee.epoch,
            capacity: vee.template.capacity,
          },
        }
      : {}),
    ...(copy ? { reported: { state: copy.state, epoch: copy.epoch, capacity: copy.capacity } } : {}),
  };
}

/** What keeps coming back is not mended for ever. */
function held(f: DriftFinding, { known, now }: DriftState, policy: DriftPolicy): DriftFinding {
  if (!isActed(f)) return f;
  const since = now - policy.attemptWindowMillis;
  const attempts = known
    .filter((k) => k.veeId === f.veeId)
    .flatMap((k) => k.attempts)
    .filter((a) => a.at > since);
  if (attempts.length < policy.mostAttempts) return f;
  return {
    ...f,
    action: 'report',
    recurs: true,
    because: `${f.because}; it was mended ${attempts.length} times within ${durationText(policy.attemptWindowMillis)} and came back`,
  };
}

/** Known findings that a newer report no longer bears out. Where something is under way, nothing is concluded. */
function goneOf(
  state: DriftState,
  copies: AllCopies,
  excuses: Excuses,
  current: ReadonlySet<string>,
): string[] {
  const records = new Map(state.vees.map((v) => [v.vee.id, v.vee]));
  return state.known
    .filter((k) => k.mendedAt === undefined && !current.has(k.id))
    .filter((k) => {
      const host = copies.hosts.get(k.hostId);
      const vee = records.get(k.veeId);
      if (vee && excuses.ofVee(vee)) return false;
      return speaks(host, vee) && (host?.reportedAt ?? 0) > k.seenInReportOf;
    })
    .map((k) => k.id);
}
