import { ApplicationFailure } from '@temporalio/common';
import { derivedEntropy } from '../domain/derived-entropy';
import { type ErrorCode, SluiceError } from '../domain/errors';
import {
  type HostId,
  makeBlueprintId,
  type OperationId,
  type ServiceId,
  type TenantId,
  type VeeId,
} from '../domain/ids';
import { algorithmsIn } from '../domain/placement/algorithms';
import { lookedForHarder } from '../domain/placement/harder';
import type { Blueprint, Infeasible, PlacementRequest, Snapshot } from '../domain/placement/model';
import { hostsIn, plan } from '../domain/placement/plan';
import { refusalSummary } from '../domain/placement/refusal-summary';
import { describeSuspects, suspectsAwaited } from '../domain/placement/suspects';
import { stayOfService } from '../domain/service/service';
import type { Capacity } from '../domain/units';
import { licensedPlaces, type Places, type Tenancy } from '../store/host-reservations';
import { takeSnapshotFor } from '../store/spare';
import type { Store } from '../store/store';
import type { SiteDeps } from './deps';
import { switchOutBroken } from './switch-out';

/** Other plans may keep taking the capacity; after so many lost races it is said so. */
const MOST_FRESH_PLANS = 5;

type DecidingDeps = Pick<SiteDeps, 'store' | 'siteId' | 'now' | 'policies' | 'placeHarder'>;
type Which = readonly (string | number)[];

const blueprintIdOf = (operationId: OperationId, which: Which) =>
  makeBlueprintId(derivedEntropy(operationId, 'blueprint', ...which));

/**
 * Plans once under an id that is derived from the operation and which of its plans this is: a repeat gets the
 * first answer.
 * @throws SluiceError `placement-infeasible`, or `host-unreachable` while that depends on hosts that are suspect
 */
export async function decide(
  { store, siteId, now, policies, placeHarder }: DecidingDeps,
  operationId: OperationId,
  request: PlacementRequest,
  ...which: Which
): Promise<Blueprint> {
  const blueprintId = blueprintIdOf(operationId, which);
  const kept = await store.blueprints.get(blueprintId);
  if (kept) return believed(kept);
  const at = now();
  const snapshot = await takeSnapshotFor(store, siteId, at, request);
  const context = { now: at, seed: operationId, blueprintId, operationId };
  const answer = await policies.decide(async (policy) => {
    const quick = plan(snapshot, request, policy, context);
    const question = { snapshot, request, policy, context };
    const enabled = async () => algorithmsIn(await store.site.algorithms(siteId));
    const { answer: made, broken = [] } = await lookedForHarder(quick, question, placeHarder, enabled);
    // That it broke is so whatever becomes of the decision.
    await switchOutBroken({ store, siteId, now }, broken);
    if (made.kind === 'infeasible')
      awaitSuspects(snapshot, (s) => hostsIn(plan(s, request, policy, context)));
    return made;
  });
  if (answer.kind === 'blueprint') return store.blueprints.put(answer);
  await store.blueprints.put({ ...answer, id: blueprintId, operationId, createdAt: at });
  return believed(answer);
}

/**
 * For a plan that found no room: an operation is not undone for what may be otherwise in a moment.
 * @param targets the hosts that it takes on this; none when it finds no room there either
 * @throws SluiceError `host-unreachable`, to be tried again until each host that is suspect is up or lost
 */
export function awaitSuspects(snapshot: Snapshot, targets: (trusting: Snapshot) => readonly HostId[]): void {
  const awaited = suspectsAwaited(snapshot, targets);
  if (awaited.length > 0) throw new SluiceError('host-unreachable', describeSuspects(awaited));
}

function believed(plan: Blueprint | Infeasible): Blueprint {
  if (plan.kind === 'blueprint') return plan;
  throw new SluiceError('placement-infeasible', refusalSummary(plan));
}

/** What each of these takes, by its id; of most nothing. */
export const licencesOf = (
  vees: readonly { readonly id: VeeId; readonly licences?: readonly string[] | undefined }[],
): ReadonlyMap<string, readonly string[]> =>
  new Map(vees.flatMap(({ id, licences }) => (licences?.length ? [[id, licences] as const] : [])));

/** Whose something is reserved for a service is, who is kept from sharing a host with it, and how long it stays. */
export async function tenancyOf(
  store: Pick<Store, 'identities' | 'services'>,
  of: { readonly tenantId: TenantId; readonly serviceId: ServiceId } | undefined,
): Promise<Tenancy> {
  if (of === undefined) throw new SluiceError('internal', 'Nobody is to have this place.');
  const { tenantId, serviceId } = of;
  const [apart, service] = await Promise.all([store.identities.apartness(), store.services.get(serviceId)]);
  const stay = service && stayOfService(service);
  return { tenantId, others: [...(apart.get(tenantId) ?? [])], ...(stay ? { stay } : {}) };
}

/**
 * Plans and reserves a place for one VEE, again while others are quicker. What was planned before is tried first, so
 * that a repeat finds what it took; then come fresh plans, so that one which is asked again later has another chance.
 * @param only the host that it has to be on, because something is held there already
 * @throws SluiceError `placement-infeasible`
 * @throws ApplicationFailure `placement-race`, not to be tried again by itself
 */
export async function decideAndReserve(
  deps: DecidingDeps,
  operationId: OperationId,
  request: PlacementRequest,
  which: Which,
  { veeId, amount, only }: { veeId: VeeId; amount: Capacity; only?: HostId | undefined },
): Promise<{ blueprint: Blueprint; hostId: HostId }> {
  const { store, now } = deps;
  const needs = new Map([[veeId as string, amount]]);
  const licences = licencesOf(request.vees.filter((v) => v.id === veeId));
  const tenancy = { ...(await tenancyOf(store, request.vees[0])), licences };
  let lost: Places = new Map();
  for (let attempt = 1, fresh = 0; fresh < MOST_FRESH_PLANS; attempt++) {
    const numbered = [...which, attempt];
    const kept = await store.blueprints.get(blueprintIdOf(operationId, numbered));
    // That nothing fitted then is no answer to whoever asks again.
    if (kept?.kind === 'infeasible') continue;
    if (!kept) fresh++;
    const blueprint = await decide(deps, operationId, request, ...numbered);
    const hostId = blueprint.assignments[0]?.hostId;
    if (!hostId || (only !== undefined && hostId !== only)) continue;
    if (await store.hosts.reserve(hostId, operationId, needs, now(), tenancy)) return { blueprint, hostId };
    lost = new Map([[hostId, needs]]);
  }
  throw await lostRaces(store, lost, licences, MOST_FRESH_PLANS, ` for ${veeId}`);
}

/**
 * What is said when others were quicker so often: which licence is short, or else that it was the capacity.
 * @param places those that were tried last
 */
export async function lostRaces(
  store: Pick<Store, 'licences'>,
  places: Places,
  licences: ReadonlyMap<string, readonly string[]>,
  times: number,
  forWhom = '',
): Promise<ApplicationFailure> {
  const short = await shortLicence(store, places, licences);
  const code: ErrorCode = 'placement-race';
  return ApplicationFailure.nonRetryable(
    short === undefined
      ? `Other plans took the capacity${forWhom} ${times} times in a row.`
      : `Other plans took the licences${forWhom} ${times} times in a row: ${short}.`,
    code,
  );
}

/** Which licence is short for what is needed, and how; nothing where there are enough. */
export async function shortLicence(
  store: Pick<Store, 'licences'>,
  places: Places,
  licences: ReadonlyMap<string, readonly string[]>,
): Promise<string | undefined> {
  if (licences.size === 0) return undefined;
  return store.licences.refusal([...places].flatMap(([id, needs]) => licensedPlaces(id, needs, licences)));
}
