import { changesOfPlaces } from '../domain/cost/hosting-change';
import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { groupBy } from '../domain/group-by';
import type { HostRecord } from '../domain/host';
import { makeBlueprintId, type OperationId } from '../domain/ids';
import { decideInTurn, planReturn, type ServiceMoves } from '../domain/maintenance/plan';
import { inClassOrder } from '../domain/maintenance/site-order';
import { DEFAULT_SLA_CLASS } from '../domain/manifest/sla-class';
import type { LeftVee, MoveQuestion } from '../domain/migration/plan-moves';
import type { OperationParams } from '../domain/operation/operation';
import { costOfChanging, costOfMoving, type PlanCost, together } from '../domain/operation/plan-cost';
import type { ServiceRecord } from '../domain/service/service';
import { labelsOf } from '../store/labels';
import { takeSnapshot } from '../store/snapshot';
import type { ApiDeps } from './deps';
import { planOf } from './dry-run';
import { priced } from './hosting';
import type { Answer } from './route';

/** Dry runs of what moves VEEs of several services. They ask the very functions that decide the operations' own moves. */
interface Asked {
  readonly service: ServiceRecord;
  readonly verb: MoveQuestion['verb'];
  readonly params: OperationParams;
}

type Question = Omit<MoveQuestion, 'snapshot'>;

async function question(
  deps: ApiDeps,
  operationId: OperationId,
  asked: Asked,
  hosts: readonly HostRecord[],
): Promise<Omit<Question, 'policy'>> {
  const { store, migrationBudget: budget } = deps;
  const { service, verb, params } = asked;
  const blueprintId = makeBlueprintId(derivedEntropy(operationId, 'moves', service.id));
  return {
    verb,
    serviceId: service.id,
    params,
    manifest: await store.services.manifest(service.manifestDigest),
    vees: await store.vees.find({ serviceId: service.id, living: true }),
    hosts,
    budget,
    context: { now: Date.now(), seed: operationId, blueprintId, operationId },
  };
}

interface Decided {
  readonly steps: readonly string[];
  readonly blocked: readonly BlockedVee[];
  readonly totalMillis: number;
  readonly cost: PlanCost;
}

async function decide(
  deps: ApiDeps,
  operationId: OperationId,
  asked: readonly Asked[],
  /** A host that the operation opens before anything moves. */
  opened?: HostRecord['id'],
): Promise<Decided> {
  const open = <H extends { readonly id: HostRecord['id']; readonly cordoned: boolean }>(host: H): H =>
    host.id === opened ? { ...host, cordoned: false } : host;
  const hosts = (await deps.store.hosts.all()).map(open);
  const snapshot = await takeSnapshot(deps.store, Date.now());
  const questions = await Promise.all(asked.map((a) => question(deps, operationId, a, hosts)));
  const names = new Map(asked.map((a) => [a.service.id, a.service.name]));
  const seen = { ...snapshot, hosts: snapshot.hosts.map(open) };
  const decided = await deps.policies.ask((policy) =>
    decideInTurn(
      questions.map((q) => ({ ...q, policy })),
      seen,
    ),
  );
  const cost = together(
    decided.map(({ moves }, i) =>
      asked[i]?.verb === 'relocate' ? costOfChanging(moves.length, moves.length) : costOfMoving(moves),
    ),
  );
  const migrated = decided.flatMap(({ moves }, i) => {
    const slaClass = questions[i]?.manifest.slaClass ?? DEFAULT_SLA_CLASS;
    return asked[i]?.verb === 'relocate' ? [] : moves.map((m) => ({ ...m, slaClass }));
  });
  const changes = changesOfPlaces(
    decided.flatMap((d) => d.moves.map(({ from, to, capacity }) => ({ from, to, need: capacity }))),
  );
  return {
    steps: decided.flatMap((d, i) =>
      lines(d, names.get(d.serviceId) ?? d.serviceId, asked[i]?.verb ?? 'migrate'),
    ),
    blocked: decided.flatMap(({ serviceId, left }, i) => {
      const of = { serviceId, service: names.get(serviceId) ?? serviceId, verb: asked[i]?.verb ?? 'migrate' };
      return left.map((l) => ({ ...l, ...of }));
    }),
    totalMillis: decided.reduce((most, d) => Math.max(most, d.totalMillis), 0),
    // All that ask for this are operators.
    cost: await priced(deps, { role: 'operator' }, cost, { hosts: seen.hosts, changes, moves: migrated }),
  };
}

const lines = ({ moves }: ServiceMoves, name: string, verb: string): string[] =>
  moves.map(
    (m) =>
      `${verb === 'migrate' ? `migrate (${m.mode})` : 'make anew'} ${name}/${m.component}/${m.index} from ${m.from} to ${m.to}`,
  );

export interface BlockedVee extends LeftVee {
  readonly serviceId: ServiceRecord['id'];
  readonly service: string;
  /** What can't be done with it. */
  readonly verb: MoveQuestion['verb'];
}

const blockedLine = (b: BlockedVee) => `${b.service}/${b.component}/${b.index}: ${b.error.detail}`;

export function blockedOf(host: HostRecord, blocked: readonly BlockedVee[]): SluiceError {
  const some = blocked.slice(0, 10).map(blockedLine).join(' ');
  return new SluiceError(
    'drain-incomplete',
    `${blocked.length} VEEs can't be moved off ${host.id}: ${some}`,
    { members: { blocked: blocked.slice(0, 200) } },
  );
}

async function occupantsOf(deps: ApiDeps, host: HostRecord): Promise<ServiceRecord[]> {
  const vees = await deps.store.vees.find({ hostId: host.id, living: true });
  const ids = [...new Set(vees.map((v) => v.serviceId))];
  return (await Promise.all(ids.map((id) => deps.store.services.get(id)))).filter((s) => s !== undefined);
}

export async function planDrain(
  deps: ApiDeps,
  host: HostRecord,
  operationId: OperationId,
  immovable: 'ask' | 'restart' | 'ignore',
): Promise<{ answer: Answer; blocked: readonly BlockedVee[] }> {
  const services = await occupantsOf(deps, host);
  const asked = services.map((service): Asked => {
    return { service, verb: 'migrate', params: { fromHostId: host.id, partial: true } };
  });
  const migrated = await decide(deps, operationId, asked);
  // What an operation is at work on is waited for, and moved then.
  const busy = migrated.blocked.filter((b) => b.error.code === 'operation-in-progress');
  const immovables = migrated.blocked.filter((b) => !busy.includes(b));
  const restarts = immovable === 'restart' && immovables.length > 0;
  const moves = restarts
    ? await decide(deps, operationId, [...asked, ...restartsOf(services, host, immovables)])
    : migrated;
  const blocked = restarts ? moves.blocked.filter((b) => b.verb === 'relocate') : immovables;
  const then = {
    ask: (b: BlockedVee) => `can't move ${blockedLine(b)} (say --force-restart or --ignore)`,
    restart: (b: BlockedVee) => `can't restart elsewhere ${blockedLine(b)} (say --ignore, or make room)`,
    ignore: (b: BlockedVee) => `leave ${blockedLine(b)}`,
  }[immovable];
  const steps = [
    `close ${host.id}`,
    ...moves.steps,
    ...busy.map((b) => `wait for ${blockedLine(b)}`),
    ...blocked.map(then),
    'verify that it runs nothing',
  ];
  const refused = immovable !== 'ignore' && blocked.length > 0;
  return {
    answer: planOf('host.drain', steps, moves.cost, {
      blocked,
      estimatedMillis: moves.totalMillis,
      ...(refused
        ? { feasible: false, why: `${blocked.length} VEEs can't leave ${host.id}: the drain is refused.` }
        : {}),
    }),
    blocked,
  };
}

/** What can't be moved as it is, to be ended there and made anew: by the operations that the drain asks for then. */
const restartsOf = (
  services: readonly ServiceRecord[],
  host: HostRecord,
  immovables: readonly BlockedVee[],
): Asked[] =>
  services.flatMap((service): Asked[] => {
    const veeIds = immovables.flatMap((b) => (b.serviceId === service.id ? [b.veeId] : []));
    const params = { fromHostId: host.id, veeIds, partial: true, cause: 'forced' as const };
    return veeIds.length > 0 ? [{ service, verb: 'relocate', params }] : [];
  });

export async function planRestore(
  deps: ApiDeps,
  host: HostRecord,
  operationId: OperationId,
): Promise<Answer> {
  const { store } = deps;
  const ids = host.maintenance?.left.map((d) => d.veeId) ?? [];
  const vees = (await Promise.all(ids.map((id) => store.vees.get(id)))).filter((v) => v !== undefined);
  const { back, staying } = planReturn(host, vees);
  const services = [...groupBy(back, (r) => r.serviceId)];
  const { services: known, labelOf } = await labelsOf(store, vees);
  const asked = services.map(([id, of]): Asked | undefined => {
    const service = known.get(id);
    const params = { veeIds: of.map((r) => r.veeId), toHostId: host.id, partial: true };
    return service && { service, verb: 'migrate', params };
  });
  const moves = await decide(
    deps,
    operationId,
    asked.filter((a) => a !== undefined),
    host.id,
  );
  return planOf(
    'host.restore',
    [
      `open ${host.id}`,
      ...moves.steps,
      ...moves.blocked.map((b) => `leave ${blockedLine(b)}`),
      ...staying.map(({ departed, because }) => `leave ${labelOf(departed.veeId)}: ${because}`),
    ],
    moves.cost,
    { estimatedMillis: moves.totalMillis },
  );
}

export async function planRecovery(
  deps: ApiDeps,
  host: HostRecord,
  operationId: OperationId,
): Promise<Answer> {
  const services = await occupantsOf(deps, host);
  const classed = await Promise.all(
    services.map(async (service) => ({ service, slaClass: await deps.store.services.slaClass(service) })),
  );
  const params = { fromHostId: host.id, partial: true, cause: 'host-lost' as const };
  const ordered = inClassOrder(classed).flat();
  const moves = await decide(
    deps,
    operationId,
    ordered.map(({ service }) => ({ service, verb: 'relocate', params })),
  );
  const fence = deps.canFence
    ? `fence ${host.id} by command`
    : `fence ${host.id} by your word that it is off`;
  return planOf(
    'host.recover',
    [fence, ...moves.steps, ...moves.blocked.map((b) => `no room for ${blockedLine(b)}`)],
    moves.cost,
    { blocked: moves.blocked },
  );
}

/** Of one service: a migration of several of its VEEs. */
export async function planServiceMoves(
  deps: ApiDeps,
  service: ServiceRecord,
  operationId: OperationId,
  params: OperationParams,
): Promise<Answer> {
  const asked: Asked = { service, verb: 'migrate', params };
  const moves = await decide(deps, operationId, [asked]);
  const feasible = params.partial === true || moves.blocked.length === 0;
  return {
    status: 200,
    body: {
      dryRun: true,
      operation: 'service.migrate',
      feasible,
      steps: [...moves.steps, ...moves.blocked.map((b) => `leave ${blockedLine(b)}`)],
      estimatedMillis: moves.totalMillis,
      ...(feasible ? { cost: moves.cost } : { why: moves.blocked.map(blockedLine).join(' ') }),
    },
  };
}
