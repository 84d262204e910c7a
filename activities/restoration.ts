import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { isFenced } from '../domain/host';
import {
  agentTaskQueue,
  type HostId,
  makeBlueprintId,
  makeVeeId,
  type OperationId,
  type VeeId,
} from '../domain/ids';
import { handoverConstraints } from '../domain/placement/constraints';
import type { Blueprint, PlacementRequest } from '../domain/placement/model';
import { wishesOf } from '../domain/placement/request';
import { on } from '../domain/service/deployment';
import type { RestorationWork, VeeMaking, VeeStanding } from '../domain/service/recompose-work';
import type { VeeRecord } from '../domain/vee/vee';
import { hostOf } from '../store/snapshot';
import { attach } from './attach';
import { BlueprintReader } from './blueprint-reader';
import { decideAndReserve, licencesOf, tenancyOf } from './decide';
import type { SiteDeps } from './deps';
import { tellNeighbours } from './neighbours';
import { FIRST_EPOCH, serviceOf } from './planning';

interface OnVee {
  readonly operationId: OperationId;
  readonly veeId: VeeId;
}

/** Activities that bring back a VEE that a re-composition has ended. */
export function createRestorationActivities(deps: SiteDeps) {
  const { store } = deps;
  const reader = new BlueprintReader(store);

  async function veeOf(id: VeeId): Promise<VeeRecord> {
    const vee = await store.vees.get(id);
    if (!vee) throw new SluiceError('not-found', `There is no VEE ${id}.`);
    return vee;
  }

  async function placeOf(hostId: HostId): Promise<{ hostId: HostId; agentQueue: string }> {
    const host = await hostOf(store, hostId);
    return { hostId, agentQueue: agentTaskQueue(host.siteId, host.agentId) };
  }

  /** The VEEs that this operation made: they go when it is undone. */
  async function madeBy(operationId: OperationId): Promise<Set<VeeId>> {
    const waves = (await store.recompositions.get(operationId))?.waves ?? [];
    const made = waves.flatMap((w) => w.creates);
    return new Set(made.map((c) => makeVeeId(derivedEntropy(operationId, c.component, c.index))));
  }

  /** Under the manifest that it was made by; what goes with the operation need not obey what is only there. */
  async function restorationRequest(
    operationId: OperationId,
    old: VeeRecord,
    id: VeeId,
  ): Promise<PlacementRequest> {
    const { tenantId, serviceId, component, index, template } = old;
    const service = await serviceOf(store, serviceId);
    const manifest = await store.services.manifest(service.manifestDigest);
    const { constraints, fresh } = handoverConstraints(
      await reader.manifest(operationId),
      manifest,
      serviceId,
    );
    return {
      vees: [
        {
          ...{ id, tenantId, serviceId, component, index },
          ...{ need: template.capacity, image: template.image, licences: template.licences },
        },
      ],
      constraints,
      ...wishesOf(manifest, serviceId),
      handover: { leaving: await madeBy(operationId), fresh },
    };
  }

  /** Where it was, if there is room; the plan that says so is kept like any other. */
  async function atHome(operationId: OperationId, old: VeeRecord, id: VeeId): Promise<Blueprint | undefined> {
    const amount = new Map([[id as string, old.template.capacity]]);
    const licences = licencesOf([{ id, licences: old.template.licences }]);
    const tenancy = { ...(await tenancyOf(store, old)), licences };
    if (!(await store.hosts.reserve(old.hostId, operationId, amount, deps.now(), tenancy))) return undefined;
    const { component, index, hostId } = old;
    return store.blueprints.put({
      kind: 'blueprint',
      id: makeBlueprintId(derivedEntropy(operationId, 'home', old.id)),
      parentId: null,
      operationId,
      createdAt: deps.now(),
      policy: await deps.policies.inForce(),
      seed: operationId,
      algorithm: 'greedy',
      assignments: [
        {
          veeId: id,
          component,
          index,
          hostId,
          because: `the place of ${old.id}, which it takes again`,
          verdicts: [],
        },
      ],
    });
  }

  async function elsewhere(
    operationId: OperationId,
    old: VeeRecord,
    id: VeeId,
    held: HostId | undefined,
  ): Promise<Blueprint> {
    const request = await restorationRequest(operationId, old, id);
    const place = { veeId: id, amount: old.template.capacity, only: held };
    return (await decideAndReserve(deps, operationId, request, ['restore', old.id], place)).blueprint;
  }

  return {
    /** What is recorded of a VEE that may have ended, and of its host. */
    async lookUpVee({ veeId }: { veeId: VeeId }): Promise<VeeStanding> {
      const { state, template, hostId } = await veeOf(veeId);
      return {
        retired: state === 'DESTROYED',
        readiness: template.readiness,
        hostFenced: isFenced(await hostOf(store, hostId)),
      };
    },

    /**
     * Records one in the place of a VEE that was ended, made as that one was, under an id that follows from the
     * operation: a repeat finds the same, with the capacity that it holds.
     */
    async planRestoration({ operationId, veeId }: OnVee): Promise<RestorationWork> {
      const old = await veeOf(veeId);
      const id = makeVeeId(derivedEntropy(operationId, 'restore', veeId));
      const { tenantId, serviceId, component, index, template } = old;
      const spec: VeeMaking = {
        veeId: id,
        epoch: FIRST_EPOCH,
        tenantId,
        serviceId,
        component,
        index,
        template,
      };
      const known = await store.vees.get(id);
      if (known) return { place: await placeOf(known.hostId), spec: { ...spec, ...on(known.networks) } };
      // What a first attempt took before it was cut short, so that nothing is taken twice.
      const held = await store.hosts.heldBy(operationId, id);
      const home = held === undefined || held === old.hostId;
      const blueprint =
        (home ? await atHome(operationId, old, id) : undefined) ??
        (await elsewhere(operationId, old, id, held));
      const hostId = blueprint.assignments[0]?.hostId ?? old.hostId;
      const service = await serviceOf(store, serviceId);
      const manifest = await store.services.manifest(service.manifestDigest);
      const made = [{ veeId: id, component, index, template }];
      const attached = await attach(deps, service, manifest, made);
      const networks = (await tellNeighbours(store, serviceId, made, attached)).get(id);
      const now = deps.now();
      await store.vees.define([
        {
          id,
          tenantId,
          serviceId,
          component,
          index,
          state: 'DEFINED',
          hostId,
          epoch: FIRST_EPOCH,
          generation: 1,
          template,
          ...on(networks),
          transition: { verb: 'start', operationId, since: now },
          blueprintId: blueprint.id,
          createdAt: now,
          updatedAt: now,
        },
      ]);
      return { place: await placeOf(hostId), spec: { ...spec, ...on(networks) } };
    },
  };
}
