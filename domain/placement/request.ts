import { derivedEntropy } from '../derived-entropy';
import { SluiceError } from '../errors';
import type { HostRecord } from '../host';
import { makeVeeId, type OperationId } from '../ids';
import { componentNamed, templateOf } from '../manifest/components';
import type { Manifest } from '../manifest/schema';
import type { ServiceRecord } from '../service/service';
import type { VeeRecord } from '../vee/vee';
import { constraintsOf } from './constraints';
import type { PlacementRequest, RequestedVee } from './model';

/** Members to add to one component, by their place in the array. */
export interface Additions {
  readonly component: string;
  readonly indices: readonly number[];
}

/** All the members a service starts with. */
export function initialAdditions(instances: Readonly<Record<string, number>>): Additions[] {
  return Object.entries(instances).map(([component, count]) => ({
    component,
    indices: Array.from({ length: count }, (_, i) => i),
  }));
}

/** New VEEs of a service. Their ids follow from the operation, so that a repeated plan names the same ones. */
export function additionRequest(
  manifest: Manifest,
  service: Pick<ServiceRecord, 'id' | 'tenantId'>,
  operationId: OperationId,
  additions: readonly Additions[],
): PlacementRequest {
  const vees = additions.flatMap(({ component, indices }): RequestedVee[] => {
    const declared = componentNamed(manifest, component);
    if (!declared) throw new SluiceError('not-found', `The manifest has no component "${component}".`);
    const template = templateOf(manifest, declared);
    return indices.map((index) => ({
      id: makeVeeId(derivedEntropy(operationId, component, index)),
      tenantId: service.tenantId,
      serviceId: service.id,
      component,
      index,
      need: template.capacity,
      image: template.image,
    }));
  });
  return { vees, constraints: constraintsOf(manifest, service.id) };
}

/** A new place for a VEE that runs; `toHostId` leaves one host to choose from, with its reasons if it can't. */
export function migrationRequest(
  manifest: Manifest,
  vee: VeeRecord,
  source: HostRecord,
  toHostId: string | undefined,
): PlacementRequest {
  const { id, tenantId, serviceId, component, index, template } = vee;
  const chosen = toHostId
    ? [
        {
          kind: 'assignment' as const,
          serviceId,
          component,
          labels: {},
          allowHosts: [toHostId],
          denyHosts: [],
        },
      ]
    : [];
  return {
    vees: [{ id, tenantId, serviceId, component, index, need: template.capacity, image: template.image }],
    constraints: [...constraintsOf(manifest, serviceId), ...chosen],
    migration: { from: source.id, driver: source.fingerprint.driver },
  };
}
