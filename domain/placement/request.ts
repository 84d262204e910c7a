import { derivedEntropy } from '../derived-entropy';
import { SluiceError } from '../errors';
import type { HostRecord } from '../host';
import { makeVeeId, type OperationId, type ServiceId, type TenantId } from '../ids';
import { componentNamed, templateOf } from '../manifest/components';
import type { Manifest } from '../manifest/schema';
import { DEFAULT_SLA_CLASS } from '../manifest/sla-class';
import type { ServiceRecord } from '../service/service';
import type { VeeRecord } from '../vee/vee';
import { constraintsOf, preferencesOf } from './constraints';
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
      licences: template.licences,
    }));
  });
  return {
    ...{ vees, ...rulesOf(manifest, service.id), seed: seedOf(manifest, service.tenantId) },
    slaClass: manifest.slaClass ?? DEFAULT_SLA_CLASS,
  };
}

/** One that lives, and is to have a new place. */
export function movingVee(vee: VeeRecord, moving: RequestedVee['moving'] & object): RequestedVee {
  const { id, tenantId, serviceId, component, index, template } = vee;
  return {
    ...{ id, tenantId, serviceId, component, index, moving },
    ...{ need: template.capacity, image: template.image, licences: template.licences },
  };
}

/** New places for VEEs that live. A driver is named where only one of its kind can take the VEE over. */
export function moveRequest(
  manifest: Manifest,
  serviceId: ServiceId,
  vees: readonly { readonly vee: VeeRecord; readonly away: boolean; readonly driver?: string }[],
  toHostId?: string,
): PlacementRequest {
  // No constraint: it is not the manifest's, so what it refuses may not be blamed on one.
  const to = toHostId ? { to: toHostId } : {};
  return {
    vees: vees.map(({ vee, ...moving }) => movingVee(vee, { from: vee.hostId, ...moving, ...to })),
    ...rulesOf(manifest, serviceId),
    ...(vees[0] ? { seed: seedOf(manifest, vees[0].vee.tenantId) } : {}),
  };
}

/** The same for a dry run, before a service has an id, as for the operation. */
export const seedOf = ({ name }: Manifest, tenantId: TenantId): string => `${tenantId}/${name}`;

/** What of a manifest decides among places that will do. */
export const wishesOf = (manifest: Manifest, serviceId: ServiceId) => ({
  earnsAs: manifest.slaClass ?? DEFAULT_SLA_CLASS,
  preferences: preferencesOf(manifest, serviceId),
  ranks: manifest.placement.rank ?? [],
});

const rulesOf = (manifest: Manifest, serviceId: ServiceId) => ({
  constraints: constraintsOf(manifest, serviceId),
  ...wishesOf(manifest, serviceId),
});

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
