import type { DepartedVee, HostRecord } from '../host';
import type { HostId, ServiceId } from '../ids';
import {
  decideMoves,
  isAskedFor,
  type LeftVee,
  type MoveDecision,
  type MoveQuestion,
} from '../migration/plan-moves';
import { placeOf, withPlaces } from '../placement/licences';
import type { Snapshot } from '../placement/model';
import { add } from '../units';
import type { VeeRecord } from '../vee/vee';

export interface ServiceMoves {
  readonly serviceId: ServiceId;
  readonly moves: Extract<MoveDecision, { kind: 'moves' }>['moves'];
  readonly left: readonly LeftVee[];
  readonly totalMillis: number;
}

/** Questions about several services are answered one after the other: what one takes, the next does not find. */
export function decideInTurn(
  questions: readonly Omit<MoveQuestion, 'snapshot'>[],
  snapshot: Snapshot,
): ServiceMoves[] {
  let now = snapshot;
  return questions.map((question) => {
    const decision = decideMoves({ ...question, snapshot: now });
    const { serviceId } = question;
    if (decision.kind === 'blocked') return { serviceId, moves: [], left: decision.left, totalMillis: 0 };
    if (decision.kind !== 'moves') {
      const left = question.vees
        .filter((v) => isAskedFor(v, question.params))
        .map(({ id, component, index }) => ({ veeId: id, component, index, error: decision.error }));
      return { serviceId, moves: [], left, totalMillis: 0 };
    }
    const { moves, left, totalMillis } = decision;
    now = after(now, moves);
    return { serviceId, moves, left, totalMillis };
  });
}

/** The snapshot once these are under way: their targets taken, their sources not free yet. */
function after(snapshot: Snapshot, moves: ServiceMoves['moves']): Snapshot {
  const target = new Map<string, HostId>(moves.map((m) => [m.veeId, m.to]));
  const then = {
    ...snapshot,
    hosts: snapshot.hosts.map((host) => {
      const taken = moves.filter((m) => m.to === host.id && m.from !== host.id);
      return { ...host, reserved: taken.reduce((sum, m) => add(sum, m.capacity), host.reserved) };
    }),
    vees: snapshot.vees.map((v) => ({ ...v, hostId: target.get(v.id) ?? v.hostId })),
  };
  const taken = moves.map((m) => placeOf({ id: m.veeId, need: m.capacity, licences: m.licences }, m.to));
  return withPlaces(then, taken);
}

export interface Return {
  readonly veeId: VeeRecord['id'];
  readonly serviceId: ServiceId;
}

export interface ReturnPlan {
  readonly back: readonly Return[];
  readonly staying: readonly { readonly departed: DepartedVee; readonly because: string }[];
}

/**
 * What may come back to a host after maintenance: what left it for that, and is still as it was then. Whoever
 * stopped, moved or ended one meanwhile meant it.
 */
export function planReturn(host: HostRecord, vees: readonly VeeRecord[]): ReturnPlan {
  const byId = new Map(vees.map((v) => [v.id, v]));
  const back: Return[] = [];
  const staying: { departed: DepartedVee; because: string }[] = [];
  for (const departed of host.maintenance?.left ?? []) {
    const vee = byId.get(departed.veeId);
    const stay = (because: string) => staying.push({ departed, because });
    if (!vee || vee.state === 'DESTROYED') stay('it is gone');
    else if (vee.hostId === host.id) stay('it is here already');
    else if (vee.epoch !== departed.epoch) stay('it was moved again meanwhile');
    else if (vee.state !== 'ACTIVE') stay(`it is ${vee.state}: somebody stopped it meanwhile`);
    else back.push({ veeId: vee.id, serviceId: vee.serviceId });
  }
  return { back, staying };
}
