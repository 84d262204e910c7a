import type { ServiceId, VeeId } from '../domain/ids';
import type { ServiceRecord } from '../domain/service/service';
import type { VeeRecord } from '../domain/vee/vee';
import type { Store } from './store';

/** The services of these VEEs, and what people call a VEE; its id where its service is gone. */
export async function labelsOf(
  store: Pick<Store, 'services'>,
  vees: readonly VeeRecord[],
): Promise<{ services: ReadonlyMap<ServiceId, ServiceRecord>; labelOf: (id: VeeId) => string }> {
  const ids = [...new Set(vees.map((v) => v.serviceId))];
  const found = await Promise.all(ids.map((id) => store.services.get(id)));
  const services = new Map(found.flatMap((s) => (s ? [[s.id, s] as const] : [])));
  return {
    services,
    labelOf: (id) => {
      const vee = vees.find((v) => v.id === id);
      const service = vee && services.get(vee.serviceId);
      return service ? `${service.name}/${vee.component}/${vee.index}` : id;
    },
  };
}
