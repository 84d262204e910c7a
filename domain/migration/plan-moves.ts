import type { ErrorSummary } from '../errors';
import type { HostRecord } from '../host';
import type { HostId, VeeId } from '../ids';
import type { Manifest } from '../manifest/schema';
import type { OperationParams } from '../operation/operation';
import type { Blueprint, Infeasible, PlanContext, Snapshot } from '../placement/model';
import type { Solve } from '../placement/optimize/solver';
import { planPartially } from '../placement/partial';
import { plan } from '../placement/plan';
import type { Policy } from '../placement/policy';
import { refusalSummary } from '../placement/refusal-summary';
import { moveRequest } from '../placement/request';
import { startLevels } from '../service/start-order';
import { nextState } from '../vee/state-machine';
import type { VeeRecord } from '../vee/vee';
import { dirtyRateOf } from './deadline';
import { type MigrationBudget, usualMode } from './estimate';
import { describeUnmeetable, type Move, meetDeadline } from './waves';

/** More than this in one operation would outgrow what a workflow may carry; whoever wants more asks again. */
export const MOST_MOVES = 200;

/** What a move needs to know of a host, beside what a placement does. */
export type MoveHost = Pick<HostRecord, 'id' | 'liveness' | 'cordoned' | 'fingerprint'> &
  Partial<Pick<HostRecord, 'reported'>>;

export interface MoveQuestion {
  readonly verb: 'migrate' | 'relocate';
  readonly manifest: Manifest;
  readonly serviceId: VeeRecord['serviceId'];
  /** All living VEEs of the service. */
  readonly vees: readonly VeeRecord[];
  readonly hosts: readonly MoveHost[];
  readonly snapshot: Snapshot;
  readonly params: OperationParams;
  readonly policy: Policy;
  readonly budget: MigrationBudget;
  readonly context: PlanContext;
}

export interface LeftVee {
  readonly veeId: VeeId;
  readonly component: string;
  readonly index: number;
  readonly error: ErrorSummary;
}

export interface DecidedMove extends Move {
  readonly veeId: VeeId;
  readonly component: string;
  readonly index: number;
}

export type MoveDecision =
  | {
      readonly kind: 'moves';
      /** Absent when no VEE needs a new place. */
      readonly blueprint?: Blueprint;
      readonly moves: readonly DecidedMove[];
      readonly waves: readonly (readonly number[])[];
      /** Of migrations: about how long each wave takes. */
      readonly waveMillis: readonly number[];
      /** Of migrations: about how long they take. */
      readonly totalMillis: number;
      readonly escalated: boolean;
      readonly left: readonly LeftVee[];
    }
  | { readonly kind: 'infeasible'; readonly answer: Infeasible; readonly error: ErrorSummary }
  /** All were asked for or none, and these can't be moved as they are. */
  | { readonly kind: 'blocked'; readonly left: readonly LeftVee[]; readonly error: ErrorSummary }
  | { readonly kind: 'unmeetable'; readonly error: ErrorSummary };

/**
 * Which VEEs of a service go where, in which order, and which stay and why. One answer for the operation and for
 * its dry run.
 * @param kept the blueprint of the same question, if it was answered before: its places stay as they are
 * @param solve see `plan`
 */
export function decideMoves(question: MoveQuestion, kept?: Blueprint, solve?: Solve): MoveDecision {
  const { verb, manifest, serviceId, params, snapshot, policy, context } = question;
  const hosts = new Map(question.hosts.map((h) => [h.id, h]));
  const { able, staying, left } = sort(question, hosts);
  const [first] = left;
  if (first && !params.partial && !kept)
    return { kind: 'blocked', left, error: { code: first.error.code, detail: describeBlocking(left) } };
  const request = moveRequest(
    manifest,
    serviceId,
    able.map((vee) => {
      const driver = verb === 'migrate' ? hosts.get(vee.hostId)?.fingerprint.driver : undefined;
      // Made anew, it may as well be where it was: that host may have come back.
      const away = verb === 'migrate' || params.cause === 'forced';
      return { vee, away, ...(driver ? { driver } : {}) };
    }),
    params.toHostId,
  );
  let blueprint = kept;
  if (kept) {
    for (const { veeId, because } of kept.left ?? []) {
      const vee = able.find((v) => v.id === veeId);
      if (!vee) continue;
      const { component, index } = vee;
      left.push({ veeId, component, index, error: { code: 'placement-infeasible', detail: because } });
    }
  } else if (able.length > 0 && params.partial) {
    // What can't be moved goes on where it is. What is to be made anew is nowhere: with one missing its set is of no use.
    const sets = verb === 'relocate' ? manifest.groups : [];
    const answer = planPartially(snapshot, { ...request, sets }, policy, context, solve);
    for (const u of answer.left) {
      const detail = u.because ?? refusalSummary({ kind: 'infeasible', proven: false, unplaced: [u] });
      const { veeId, component, index } = u;
      left.push({ veeId, component, index, error: { code: 'placement-infeasible', detail } });
    }
    blueprint = answer.blueprint && {
      ...answer.blueprint,
      left: answer.left.map(({ veeId }) => ({
        veeId,
        because: left.find((l) => l.veeId === veeId)?.error.detail ?? '',
      })),
    };
  } else if (able.length > 0) {
    const answer = plan(snapshot, request, policy, context, solve);
    if (answer.kind === 'infeasible')
      return {
        kind: 'infeasible',
        answer,
        error: { code: 'placement-infeasible', detail: refusalSummary(answer) },
      };
    blueprint = answer;
  }
  const target = new Map(blueprint?.assignments.map((a) => [a.veeId, a.hostId]));
  const moves = [...able, ...staying].flatMap((vee): DecidedMove[] => {
    const to = target.get(vee.id) ?? (staying.includes(vee) ? vee.hostId : undefined);
    if (!to) return [];
    const { id: veeId, component, index, template } = vee;
    const mode = usualMode(hosts.get(vee.hostId)?.fingerprint.capabilities.migration ?? 'cold');
    const { capacity, licences, stopGraceMillis } = template;
    const dirtyKbps = dirtyRateOf(vee.id, hosts.get(vee.hostId));
    const move = { veeId, component, index, from: vee.hostId, to, capacity, licences, stopGraceMillis, mode };
    return [dirtyKbps === undefined ? move : { ...move, dirtyKbps }];
  });
  const rest = { ...(blueprint ? { blueprint } : {}), left };
  if (verb === 'relocate')
    return {
      kind: 'moves',
      moves,
      waves: inStartOrder(manifest, moves),
      waveMillis: [],
      totalMillis: 0,
      escalated: false,
      ...rest,
    };

  const verdict = meetDeadline(moves, question.budget, params.deadlineMillis, params.onDeadline ?? 'refuse');
  if (verdict.kind === 'unmeetable') {
    const detail = describeUnmeetable(moves.length, verdict, params.deadlineMillis);
    return { kind: 'unmeetable', error: { code: 'deadline-unmeetable', detail } };
  }
  const modes = verdict.moves.map((m) => m.mode);
  return {
    kind: 'moves',
    moves: moves.map((m, i) => ({ ...m, mode: modes[i] ?? m.mode })),
    waves: verdict.schedule.waves,
    waveMillis: verdict.schedule.waveMillis,
    totalMillis: verdict.schedule.totalMillis,
    escalated: verdict.kind === 'escalated',
    ...rest,
  };
}

/** Did nothing at all find a place? Of several that may stay it is enough that one moves: the rest is asked for again. */
export const lacksRoom = (decision: MoveDecision): boolean =>
  decision.kind === 'infeasible' ||
  (decision.kind === 'moves' &&
    decision.moves.length === 0 &&
    decision.left.some((l) => l.error.code === 'placement-infeasible'));

/** Where they go; none when nothing moves. */
export const targetsOf = (decision: MoveDecision): HostId[] =>
  decision.kind === 'moves' ? [...new Set(decision.moves.map((m) => m.to))] : [];

/** Is it one of those that are to move? */
export function isAskedFor(
  vee: VeeRecord,
  { veeIds, fromHostId, toHostId }: MoveQuestion['params'],
): boolean {
  if (veeIds && !veeIds.includes(vee.id)) return false;
  if (fromHostId && vee.hostId !== fromHostId) return false;
  return vee.hostId !== toHostId;
}

/** Those asked for, in three: that need a new place, that are made anew where they are, and that can't be moved. */
function sort({ verb, vees, params }: MoveQuestion, hosts: ReadonlyMap<HostId, MoveHost>) {
  const left: LeftVee[] = [];
  const able: VeeRecord[] = [];
  const staying: VeeRecord[] = [];
  const leave = (vee: VeeRecord, code: ErrorSummary['code'], detail: string) =>
    left.push({ veeId: vee.id, component: vee.component, index: vee.index, error: { code, detail } });
  for (const vee of vees) {
    if (!isAskedFor(vee, params)) continue;
    const host = hosts.get(vee.hostId);
    if (nextState(vee.state, verb) === undefined && vee.transition)
      leave(vee, 'operation-in-progress', `${vee.transition.operationId} has it: ${vee.transition.verb}.`);
    else if (nextState(vee.state, verb) === undefined)
      leave(vee, 'transition-illegal', `It is ${vee.state}, and can't ${verb} so.`);
    else if (verb === 'migrate' && host?.fingerprint.capabilities.migration === 'none')
      leave(vee, 'capability-missing', `The driver of ${vee.hostId} can't migrate.`);
    else if (able.length + staying.length >= MOST_MOVES)
      leave(vee, 'conflict', `More than ${MOST_MOVES} at once: ask again for the rest.`);
    else if (params.cause === 'missing' && host?.liveness === 'up' && !host.cordoned) staying.push(vee);
    else able.push(vee);
  }
  return { able, staying, left };
}

function describeBlocking(left: readonly LeftVee[]): string {
  const told = left.slice(0, 5).map((l) => `${l.component}/${l.index}: ${l.error.detail}`);
  const more = left.length > told.length ? ` And ${left.length - told.length} more.` : '';
  return `All were to move, or none. ${told.join(' ')}${more}`;
}

function inStartOrder(manifest: Manifest, moves: readonly DecidedMove[]): number[][] {
  const order = startLevels(
    manifest.components.map((c) => c.name),
    manifest.topology.dependencies,
  );
  const levels = order.kind === 'levels' ? order.levels : [manifest.components.map((c) => c.name)];
  return levels
    .map((level) => moves.flatMap((m, i) => (level.includes(m.component) ? [i] : [])))
    .filter((wave) => wave.length > 0);
}
