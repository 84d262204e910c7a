import { changesOfPlaces } from '../domain/cost/hosting-change';
import type { PricedMove } from '../domain/cost/moving';
import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import type { HostRecord } from '../domain/host';
import { makeBlueprintId, type OperationId, type VeeId } from '../domain/ids';
import type { Lease } from '../domain/leases/model';
import { onLease } from '../domain/leases/use';
import type { Manifest } from '../domain/manifest/schema';
import { DEFAULT_SLA_CLASS } from '../domain/manifest/sla-class';
import { planSingleMove } from '../domain/migration/deadline';
import type { OperationParams } from '../domain/operation/operation';
import {
  costOfChanging,
  costOfEnding,
  costOfMaking,
  costOfMoving,
  costOfResizing,
  type PlanCost,
} from '../domain/operation/plan-cost';
import { algorithmsIn } from '../domain/placement/algorithms';
import { type Harder, lookedForHarder } from '../domain/placement/harder';
import { placeOf } from '../domain/placement/licences';
import { loadChanges } from '../domain/placement/loads';
import type { PlacementRequest } from '../domain/placement/model';
import { hostsIn, plan } from '../domain/placement/plan';
import { freeThroughout, type Stay, spanOf } from '../domain/placement/promised';
import { type PlanQuality, qualityOf } from '../domain/placement/quality';
import { refusalCounts, refusalSummary } from '../domain/placement/refusal-summary';
import { type Additions, additionRequest, migrationRequest } from '../domain/placement/request';
import { describeSuspects, suspectsAwaited } from '../domain/placement/suspects';
import { planScaling, standingOf } from '../domain/service/scaling';
import type { ServiceRecord } from '../domain/service/service';
import { type Capacity, shortages, termOf } from '../domain/units';
import type { VeeRecord } from '../domain/vee/vee';
import { toSnapshotHost } from '../store/hosts';
import type { Identity } from '../store/identities';
import { takeSnapshotFor } from '../store/spare';
import { singlyChanged } from '../store/stilled';
import type { ApiDeps } from './deps';
import { changesBy, priced } from './hosting';
import type { Answer } from './route';
import { blueprintView, reasonOf } from './views';

/** Plans: what an operation would do now. They are made by the very functions that make the operation's own. */
export function planOf(
  operation: string,
  steps: readonly string[],
  cost: PlanCost,
  rest: Record<string, unknown> = {},
): Answer {
  return { status: 200, body: { dryRun: true, operation, feasible: true, steps, cost, ...rest } };
}

/** Of VEEs that are changed where they are, by one verb. */
const costOfVerb = (verb: string, vees: readonly VeeRecord[]): PlanCost =>
  costOfChanging(vees.length, ['pause', 'suspend', 'restart'].includes(verb) ? vees.length : 0);

const label = (v: { component: string; index: number }) => `${v.component}/${v.index}`;

export async function planAdditions(
  deps: ApiDeps,
  identity: Identity,
  operation: string,
  manifest: Manifest,
  service: Pick<ServiceRecord, 'id' | 'tenantId'>,
  operationId: OperationId,
  additions: readonly Additions[],
  { stay, lease }: { readonly stay?: Stay | undefined; readonly lease?: Lease | undefined } = {},
): Promise<Answer> {
  const wanted = additionRequest(manifest, service, operationId, additions);
  const request = onLease({ ...wanted, ...(stay ? { stay } : {}) }, lease);
  return decide(deps, identity, operation, operationId, request, 'create', {
    cost: costOfMaking(request.vees.map((v) => v.need)),
  });
}

export async function planScale(
  deps: ApiDeps,
  identity: Identity,
  manifest: Manifest,
  service: ServiceRecord,
  operationId: OperationId,
  component: string,
  instances: number,
): Promise<Answer> {
  const members = await deps.store.vees.find({ serviceId: service.id, component, living: true });
  const { create, retire } = planScaling(members, instances, standingOf(await deps.store.hosts.all()));
  if (create.length > 0)
    return planAdditions(
      ...([deps, identity, 'service.scale', manifest, service, operationId] as const),
      [{ component, indices: create }],
      { lease: service.leaseId && (await deps.store.leases.get(service.leaseId)) },
    );
  return planOf(
    'service.scale',
    retire.map((v) => `destroy ${label(v)} on ${v.hostId}`),
    await pricedEnding(deps, identity, retire),
  );
}

/** Of VEEs that are ended where they are. */
async function pricedEnding(
  deps: ApiDeps,
  identity: Identity,
  vees: readonly VeeRecord[],
): Promise<PlanCost> {
  const hosts = (await deps.store.hosts.offers([...new Set(vees.map((v) => v.hostId))])).map(toSnapshotHost);
  const changes = changesOfPlaces(vees.map((v) => ({ from: v.hostId, need: v.template.capacity })));
  return priced(deps, identity, costOfEnding(vees.map(endingOf)), { hosts, changes });
}

/** What is done to each living VEE of a service. */
export async function planForAll(
  deps: ApiDeps,
  identity: Identity,
  service: ServiceRecord,
  verb: 'destroy' | 'suspend' | 'resume',
): Promise<Answer> {
  const vees = await deps.store.vees.find({ serviceId: service.id, living: true });
  const operation = verb === 'destroy' ? 'service.decommission' : `service.${verb}`;
  const ids = vees.map((v) => v.id);
  const spared = verb === 'resume' ? await singlyChanged(deps.store, ids) : new Set<VeeId>();
  const changing = vees.filter(
    (v) => !spared.has(v.id) && (verb === 'destroy' || (v.state === 'ACTIVE') === (verb === 'suspend')),
  );
  return planOf(
    operation,
    changing.map((v) => `${verb} ${label(v)} on ${v.hostId}`),
    verb === 'destroy' ? await pricedEnding(deps, identity, changing) : costOfVerb(verb, changing),
  );
}

const endingOf = ({ template, state }: VeeRecord) => ({
  capacity: template.capacity,
  serves: state === 'ACTIVE',
});

/** What is done to one VEE, where it is. */
export function planForOne(vee: VeeRecord, verb: string): Answer {
  return planOf(`vee.${verb}`, [`${verb} ${label(vee)} on ${vee.hostId}`], costOfVerb(verb, [vee]));
}

/** Of a VEE that is resized where it is, if its host has room for that. */
export async function planResize(
  deps: ApiDeps,
  identity: Identity,
  vee: VeeRecord,
  host: HostRecord,
  wanted: Partial<Capacity>,
  byRestart: boolean,
): Promise<Answer> {
  const from = vee.template.capacity;
  const to = { ...from, ...wanted };
  const cost = { ...costOfResizing(from, to), interrupted: byRestart ? 1 : 0 };
  const changes = [{ hostId: host.id, comes: cost.capacity }];
  const verb = byRestart ? 'stop, resize and start' : 'resize';
  const step = `${verb} ${label(vee)} on ${host.id} from ${sizeOf(from)} to ${sizeOf(to)}`;
  // What shrinks always fits, also on a host that has come back with less than it had.
  const span = spanOf(Date.now(), host.reservations[vee.id]);
  const { licences } = vee.template;
  const licence =
    to.cpuMillis > from.cpuMillis
      ? await deps.store.licences.refusal([placeOf({ id: vee.id, need: to, licences }, host.id)])
      : undefined;
  const short = shortages(freeThroughout(toSnapshotHost(host), span), cost.capacity).filter(
    (s) => s.need > 0,
  );
  if (short.length === 0 && licence === undefined) {
    const hosts = [toSnapshotHost(host)];
    return planOf('vee.resize', [step], await priced(deps, identity, cost, { hosts, changes }));
  }
  const why = shortText(identity, host, short, licence);
  return { status: 200, body: { dryRun: true, operation: 'vee.resize', feasible: false, steps: [], why } };
}

/** How much hosts have left, and the site of licences, is not for tenants. */
function shortText(
  { role }: Identity,
  { id }: HostRecord,
  short: ReturnType<typeof shortages>,
  licence: string | undefined,
): string {
  const left = short.map((s) => `${s.free} ${termOf(s.dimension)} left, and needs ${s.need} more`).join(', ');
  const isOperator = role === 'operator';
  return [
    ...(short.length > 0 ? [isOperator ? `${id} has ${left}.` : 'Its host has no room for that.'] : []),
    ...(licence ? [isOperator ? `Of its licences ${licence}.` : 'Too few of its licences are free.'] : []),
  ].join(' ');
}

const sizeOf = ({ cpuMillis, memoryMiB }: Capacity) => `${cpuMillis} cpuMillis, ${memoryMiB} memoryMiB`;

export async function planMigration(
  deps: ApiDeps,
  identity: Identity,
  service: ServiceRecord,
  vee: VeeRecord,
  operationId: OperationId,
  toHostId: string | undefined,
  deadline: Pick<OperationParams, 'deadlineMillis' | 'onDeadline'>,
): Promise<Answer> {
  const manifest = await deps.store.services.manifest(service.manifestDigest);
  const source = await deps.store.hosts.get(vee.hostId);
  if (!source)
    return { status: 200, body: { dryRun: true, operation: 'vee.migrate', feasible: false, steps: [] } };
  const { mode, estimatedMillis } = planSingleMove(vee, source, deps.migrationBudget, deadline);
  return decide(
    deps,
    identity,
    'vee.migrate',
    operationId,
    migrationRequest(manifest, vee, source, toHostId),
    `migrate (${mode})`,
    {
      ...{ cost: costOfMoving([{ mode }]), estimatedMillis },
      moves: [{ ...vee.template, mode, slaClass: manifest.slaClass ?? DEFAULT_SLA_CLASS }],
    },
  );
}

async function decide(
  deps: ApiDeps,
  identity: Identity,
  operation: string,
  operationId: OperationId,
  request: PlacementRequest,
  verb: string,
  {
    cost,
    moves = [],
    ...rest
  }: {
    readonly cost: PlanCost;
    readonly moves?: readonly PricedMove[];
    readonly estimatedMillis?: number;
  },
): Promise<Answer> {
  const now = Date.now();
  const blueprintId = makeBlueprintId(derivedEntropy(operationId, 'blueprint', 1));
  const context = { now, seed: operationId, blueprintId, operationId };
  const snapshot = await takeSnapshotFor(deps.store, deps.siteId, now, request);
  const began = performance.now();
  const { result, awaited, search, policy } = await deps.policies.ask(async (policy) => {
    const quick = plan(snapshot, request, policy, context);
    const question = { snapshot, request, policy, context };
    const enabled = async () => algorithmsIn(await deps.store.site.algorithms(deps.siteId));
    const { answer: made, search } = await lookedForHarder(
      quick,
      question,
      deps.planner.placeHarder,
      enabled,
    );
    if (made.kind === 'blueprint') return { result: made, awaited: [], search, policy };
    const trusted = suspectsAwaited(snapshot, (s) => hostsIn(plan(s, request, policy, context)));
    return { result: made, awaited: trusted, search, policy };
  });
  const tookMillis = Math.round(performance.now() - began);
  if (result.kind === 'blueprint')
    return planOf(
      operation,
      result.assignments.map((a) => `${verb} ${label(a)} on ${a.hostId}: ${reasonOf(a, identity)}`),
      await priced(deps, identity, cost, {
        ...{ hosts: snapshot.hosts, moves, changes: changesBy(request, result.assignments) },
      }),
      {
        blueprint: blueprintView(result, identity),
        // What hosts hold besides is not for tenants.
        ...(identity.role === 'operator'
          ? {
              loads: loadChanges(snapshot, request, result.assignments),
              ...howGood(qualityOf(snapshot, request, result.assignments, policy), search, tookMillis),
            }
          : {}),
        ...rest,
      },
    );
  const waits = awaited.length > 0 ? describeSuspects(awaited) : '';
  const isOperator = identity.role === 'operator';
  const why = isOperator
    ? {
        ...{ why: `${refusalSummary(result)} ${waits}`.trim(), refusals: result.unplaced },
        ...(search ? { searched: search.asked, tookMillis } : {}),
      }
    : { why: refusalCounts(result) };
  const enough = await deps.policies
    .ask((policy) => deps.planner.remediesFor({ snapshot, request, policy, context }))
    .catch(withoutRemedies);
  const remedies = enough?.filter((r) => isOperator || r.by === 'anybody').map((r) => r.if);
  return {
    status: 200,
    body: { dryRun: true, operation, feasible: false, steps: [], ...why, ...(remedies ? { remedies } : {}) },
  };
}

/** Why nothing fits is known already: a planner that is busy, or takes too long, keeps nobody from hearing that. */
function withoutRemedies(error: unknown): undefined {
  if (!(error instanceof SluiceError)) throw error;
}

/** How good a plan is known to be, who has found it, and who was asked for it. */
function howGood(quality: PlanQuality | undefined, search: Harder['search'], tookMillis: number) {
  if (!quality && !search) return {};
  return {
    ...(quality ? { optimality: { ...quality, ...(search ?? { solver: GREEDY }) } } : {}),
    ...(search ? { searched: search.asked } : {}),
    tookMillis,
  };
}

const GREEDY = 'the first plan';
