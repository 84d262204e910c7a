import { SluiceError } from '../domain/errors';
import type { SystemState } from '../domain/invariants/check';
import type { OperationRecord } from '../domain/operation/operation';
import { constraintsOf, sharedConstraints } from '../domain/placement/constraints';
import { toSnapshotHost } from '../store/hosts';
import type { ApiDeps } from './deps';

/**
 * Reads everything that the checks look at, while the system goes on. What is read first explains what is read later:
 * keys come before the operations that they led to, Temporal before the records (an operation that ends in between is
 * then seen as ended, not as lost), the ledger before the VEEs (what was committed in between shows in the time of
 * the record's last change), and operations come last, since they tell what was under way meanwhile.
 */
export async function readSystemState(deps: ApiDeps, now: number): Promise<SystemState> {
  const { store } = deps;
  const idempotencyKeys = await store.idempotency.all();
  const { openOperations, watched } = await askTemporal(deps);
  const addresses = await store.addresses.held();
  const networks = await store.networks.all();
  // Hosts are read between leases and leases: of one that has changed meanwhile they may say what it was, or will be, as of one that is being made.
  const before = new Map((await store.leases.all()).map((l) => [l.id, l.generation]));
  const hosts = await store.hosts.all();
  const leases = (await store.leases.all()).map((l) =>
    before.get(l.id) === l.generation ? l : { ...l, confirmed: false, createdAt: now },
  );
  const ledger = await store.vees.ledgerEvents({});
  const [vees, services] = await Promise.all([store.vees.find(), store.services.all()]);
  const operations = await store.operations.all();
  const living = services.filter((s) => s.phase !== 'decommissioned');
  const constraints = await Promise.all(
    living.map(async (s) => {
      const current = await store.services.manifest(s.manifestDigest);
      if (!s.recomposition) return constraintsOf(current, s.id);
      // Between two manifests only what both say holds at every moment.
      const wanted = await store.services.manifest(s.recomposition.manifestDigest);
      return sharedConstraints(current, wanted, s.id);
    }),
  );
  return {
    now,
    hosts,
    snapshotHosts: hosts.map(toSnapshotHost),
    vees,
    services,
    operations,
    ledger,
    constraints: constraints.flat(),
    apart: await store.identities.apartness(),
    licencePools: await store.licences.pools(),
    leases,
    addresses,
    networks,
    rebalances: await store.rebalances.since(0),
    openOperations: openOperations && (await reallyOpen(deps, openOperations, operations)),
    watched,
    timing: deps.timing,
    idempotencyKeys,
  };
}

/** What has ended by its record is asked itself whether it is open. */
async function reallyOpen(
  deps: ApiDeps,
  listed: ReadonlySet<string>,
  operations: readonly OperationRecord[],
): Promise<Set<string>> {
  const open = new Set(listed);
  for (const { id, endedAt } of operations)
    if (open.has(id) && endedAt !== undefined && !(await deps.operations.isOpen(id))) open.delete(id);
  return open;
}

/** That it does not answer is a finding like others. */
async function askTemporal({
  operations,
  siteId,
}: ApiDeps): Promise<Pick<SystemState, 'openOperations' | 'watched'>> {
  try {
    const openOperations = await operations.open(siteId);
    return { openOperations, watched: await operations.isWatched(siteId) };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'unavailable') throw error;
    return { openOperations: undefined, watched: undefined };
  }
}
