import { derivedEntropy } from '../domain/derived-entropy';
import { makeBlueprintId, type OperationId } from '../domain/ids';
import type { Manifest } from '../domain/manifest/schema';
import type { PlacementRequest } from '../domain/placement/model';
import { plan } from '../domain/placement/plan';
import { refusalSummary } from '../domain/placement/refusal-summary';
import { type Additions, additionRequest, migrationRequest } from '../domain/placement/request';
import { planScaling } from '../domain/service/scaling';
import type { ServiceRecord } from '../domain/service/service';
import type { VeeRecord } from '../domain/vee/vee';
import { takeSnapshot } from '../store/snapshot';
import type { ApiDeps } from './deps';
import type { Answer } from './route';

/** Plans: what an operation would do now. They are made by the very functions that make the operation's own. */
function answer(operation: string, steps: readonly string[], rest: Record<string, unknown> = {}): Answer {
  return { status: 200, body: { dryRun: true, operation, feasible: true, steps, ...rest } };
}

const label = (v: { component: string; index: number }) => `${v.component}/${v.index}`;

export async function planAdditions(
  deps: ApiDeps,
  operation: string,
  manifest: Manifest,
  service: Pick<ServiceRecord, 'id' | 'tenantId'>,
  operationId: OperationId,
  additions: readonly Additions[],
): Promise<Answer> {
  return decide(
    deps,
    operation,
    operationId,
    additionRequest(manifest, service, operationId, additions),
    'create',
  );
}

export async function planScale(
  deps: ApiDeps,
  manifest: Manifest,
  service: ServiceRecord,
  operationId: OperationId,
  component: string,
  instances: number,
): Promise<Answer> {
  const members = await deps.store.vees.find({ serviceId: service.id, component, living: true });
  const { create, retire } = planScaling(members, instances);
  if (create.length > 0)
    return planAdditions(deps, 'service.scale', manifest, service, operationId, [
      { component, indices: create },
    ]);
  return answer(
    'service.scale',
    retire.map((v) => `destroy ${label(v)} on ${v.hostId}`),
  );
}

export async function planRetirement(deps: ApiDeps, service: ServiceRecord): Promise<Answer> {
  const vees = await deps.store.vees.find({ serviceId: service.id, living: true });
  return answer(
    'service.decommission',
    vees.map((v) => `destroy ${label(v)} on ${v.hostId}`),
  );
}

export async function planMigration(
  deps: ApiDeps,
  service: ServiceRecord,
  vee: VeeRecord,
  operationId: OperationId,
  toHostId: string | undefined,
): Promise<Answer> {
  const manifest = await deps.store.services.manifest(service.manifestDigest);
  const source = await deps.store.hosts.get(vee.hostId);
  if (!source)
    return { status: 200, body: { dryRun: true, operation: 'vee.migrate', feasible: false, steps: [] } };
  const kind = source.fingerprint.capabilities.migration;
  return decide(
    deps,
    'vee.migrate',
    operationId,
    migrationRequest(manifest, vee, source, toHostId),
    `migrate (${kind})`,
  );
}

async function decide(
  deps: ApiDeps,
  operation: string,
  operationId: OperationId,
  request: PlacementRequest,
  verb: string,
): Promise<Answer> {
  const now = Date.now();
  const blueprintId = makeBlueprintId(derivedEntropy(operationId, 'blueprint', 1));
  const result = plan(await takeSnapshot(deps.store, now), request, deps.placementPolicy, {
    now,
    seed: operationId,
    blueprintId,
    operationId,
  });
  if (result.kind === 'blueprint')
    return answer(
      operation,
      result.assignments.map((a) => `${verb} ${label(a)} on ${a.hostId}: ${a.because}`),
      { blueprint: result },
    );
  return {
    status: 200,
    body: {
      dryRun: true,
      operation,
      feasible: false,
      steps: [],
      why: refusalSummary(result),
      refusals: result.unplaced,
    },
  };
}
