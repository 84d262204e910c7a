import { SluiceError } from '../errors';
import { fits, sum } from '../units';
import { breaches, heldAgainst } from './constraints';
import { licencesSuffice, placeOf } from './licences';
import type { Assignment, PlacementRequest, Snapshot } from './model';
import { freeThroughout, spanOf } from './promised';
import { stayOf } from './stays';

/**
 * What is wrong with a plan, in words; nothing where it is right. It counts anew and knows none of those who make plans: capacities
 * of the hosts that are taken, licences, and the constraints. One that was broken before is nobody's fault here.
 */
export function faultsOfPlan(
  snapshot: Snapshot,
  request: PlacementRequest,
  assignments: readonly Assignment[],
): string[] {
  const hosts = new Map(snapshot.hosts.map((h) => [h.id, h]));
  const asked = new Map(request.vees.map((v) => [v.id, v]));
  const span = spanOf(snapshot.at, stayOf(snapshot, request));
  const arriving = assignments.flatMap(({ veeId, hostId }) => {
    const vee = asked.get(veeId);
    return vee ? [{ ...vee, hostId }] : [];
  });
  const faults: string[] = arriving.length === asked.size ? [] : ['some of what is asked for has no place'];
  for (const hostId of new Set(arriving.map((v) => v.hostId))) {
    const host = hosts.get(hostId);
    const need = sum(arriving.filter((v) => v.hostId === hostId).map((v) => v.need));
    if (!host || !fits(freeThroughout(host, span), need)) faults.push(`${hostId} has no room for its share`);
  }
  const places = arriving.map((v) => placeOf(v, v.hostId));
  if (!licencesSuffice(snapshot, places)) faults.push('there are not enough licences');
  const then = [...snapshot.vees.filter((v) => !asked.has(v.id)), ...arriving];
  for (const c of request.constraints) {
    const held = then.filter((v) => heldAgainst(c, v, request.handover));
    const broken = breaches(c, held, hosts);
    if (broken.length > 0 && breaches(c, snapshot.vees, hosts).length === 0) faults.push(...broken);
  }
  return faults;
}

/** @throws SluiceError `internal` rather than that a plan is carried out that breaks what was asked for */
export function verified(
  snapshot: Snapshot,
  request: PlacementRequest,
  assignments: readonly Assignment[],
): readonly Assignment[] {
  const [fault] = faultsOfPlan(snapshot, request, assignments);
  if (fault !== undefined) throw new SluiceError('internal', `A plan is wrong: ${fault}.`);
  return assignments;
}
