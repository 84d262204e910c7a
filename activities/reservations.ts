import { SluiceError } from '../domain/errors';
import { groupBy } from '../domain/group-by';
import type { BlueprintId, HostId, OperationId, VeeId } from '../domain/ids';
import type { Blueprint } from '../domain/placement/model';
import type { Capacity } from '../domain/units';
import { BlueprintReader } from './blueprint-reader';
import { licencesOf, lostRaces, shortLicence, tenancyOf } from './decide';
import type { SiteDeps } from './deps';
import { enterPhase } from './service-records';

interface OnBlueprint {
  readonly operationId: OperationId;
  readonly blueprintId: BlueprintId;
}

/** Activities that take capacity on hosts and give it back: taken under an operation's id, given back once. */
export function createReservationActivities(deps: SiteDeps) {
  const { store } = deps;
  const reader = new BlueprintReader(store);

  return {
    /**
     * @param lost how often others were quicker before, where it is not tried again
     * @returns false when a host had no room any more; what was taken elsewhere is given back then
     * @throws ApplicationFailure `placement-race` in place of that where it is not tried again
     */
    async reserveBlueprint({
      operationId,
      blueprintId,
      lost,
    }: OnBlueprint & { lost?: number }): Promise<boolean> {
      const blueprint = await reader.blueprint(blueprintId);
      const { needs, licences } = await needsByHost(blueprint);
      const service = await reader.service(operationId);
      const of = { tenantId: service.tenantId, serviceId: service.id };
      const tenancy = { ...(await tenancyOf(store, of)), licences };
      if (!(await store.hosts.reserveAll(operationId, needs, deps.now(), tenancy))) {
        await release(blueprint, operationId);
        if (lost !== undefined) throw await lostRaces(store, needs, licences, lost + 1);
        return false;
      }
      if (service.phase === 'negotiated')
        await enterPhase(deps, { serviceId: service.id, phase: 'reserved', operationId });
      return true;
    },

    releaseReservations: async ({ operationId, blueprintId }: OnBlueprint) =>
      release(await reader.blueprint(blueprintId), operationId),

    releaseReservation: ({ hostId, veeId }: { hostId: HostId; veeId: VeeId }) =>
      store.hosts.release(hostId, veeId),

    async releaseMigration({
      operationId,
      veeId,
    }: {
      operationId: OperationId;
      veeId: VeeId;
    }): Promise<void> {
      await store.hosts.releaseAll([veeId], { operationId });
    },

    async adjustReservation({
      hostId,
      veeId,
      capacity,
    }: {
      hostId: HostId;
      veeId: VeeId;
      capacity: Capacity;
    }): Promise<void> {
      if (await store.hosts.adjust(hostId, veeId, capacity, deps.now())) return;
      const { licences } = (await store.hosts.get(hostId))?.reservations[veeId] ?? {};
      const need = new Map([[hostId, new Map([[veeId as string, capacity]])]]);
      const short = await shortLicence(store, need, licencesOf([{ id: veeId, licences }]));
      const size = `${veeId} at ${capacity.cpuMillis} cpuMillis and ${capacity.memoryMiB} memoryMiB`;
      throw new SluiceError(
        'placement-infeasible',
        short === undefined ? `${hostId} has no room for ${size}.` : `No licences for ${size}: ${short}.`,
      );
    },
  };

  async function needsByHost(blueprint: Blueprint) {
    const templateFor = await reader.templates(blueprint.operationId);
    const needs = new Map<HostId, Map<string, Capacity>>();
    for (const { veeId, component, hostId } of blueprint.assignments) {
      const onHost = needs.get(hostId) ?? new Map<string, Capacity>();
      needs.set(hostId, onHost.set(veeId, templateFor(component).capacity));
    }
    const vees = blueprint.assignments.map(({ veeId, component }) => ({
      ...{ id: veeId, licences: templateFor(component).licences },
    }));
    return { needs, licences: licencesOf(vees) };
  }

  async function release(blueprint: Blueprint, operationId: OperationId): Promise<void> {
    for (const [hostId, there] of groupBy(blueprint.assignments, (a) => a.hostId))
      await store.hosts.releaseAll(
        there.map((a) => a.veeId),
        { hostId, operationId },
      );
  }
}
