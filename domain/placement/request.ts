import { derivedEntropy } from '../derived-entropy';
import { SluiceError } from '../errors';
import type { HostRecord } from '../host';
import { makeVeeId, type OperationId, type ServiceId } from '../ids';
import { componentNamed, templateOf } from '../manifest/components';
import type { Manifest } from '../manifest/schema';
import type { ServiceRecord } from '../service/service';
import type { VeeRecord } from '../vee/vee';
import { constraintsOf } from './constraints';
import type { Constraint, PlacementRequest, RequestedVee } from './model';

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

/** New places for VEEs that live. A driver is named where only one of its kind can take the VEE over. */
export function moveRequest(
  manifest: Manifest,
  serviceId: ServiceId,
  vees: readonly { readonly vee: VeeRecord; readonly away: boolean; readonly driver?: string }[],
  toHostId?: string,
): PlacementRequest {
  const components = [...new Set(vees.map(({ vee }) => vee.component))];
  const chosen = (component: string): Constraint => ({
    kind: 'assignment',
    serviceId,
    component,
    labels: {},
    allowHosts: toHostId ? [toHostId] : [],
    denyHosts: [],
  });
  return {
    vees: vees.map(({ vee, away, driver }) => {
      const { id, tenantId, component, index, template } = vee;
      const moving = { from: vee.hostId, away, ...(driver ? { driver } : {}) };
      return {
        id,
        tenantId,
        serviceId,
        component,
        index,
        need: template.capacity,
        image: template.image,
        moving,
      };
    }),
    constraints: [...constraintsOf(manifest, serviceId), ...(toHostId ? components.map(chosen) : [])],
  };
}

/** A new place for one VEE that runs; `toHostId` leaves one host to choose from, with its reasons if it can't. */
export function migrationRequest(
  manifest: Manifest,
  vee: VeeRecord,
  source: HostRecord,
  toHostId: string | undefined,
): PlacementRequest {
  return moveRequest(
    manifest,
    vee.serviceId,
    [{ vee, away: true, driver: source.fingerprint.driver }],
    toHostId,
  );
}
