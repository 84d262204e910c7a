import type { ApiClient } from './client';

/** What a row is about, by ids: of an operation, an event. */
export interface Subject {
  readonly serviceId?: unknown;
  readonly veeId?: unknown;
  readonly hostId?: unknown;
}

/** Names in place of ids, as every command takes them. */
export interface Namer {
  readonly service: (id: string) => string;
  readonly subject: (of: Subject) => string;
}

interface ServiceRow {
  readonly id: string;
  readonly name: string;
  readonly tenantId: string;
}

interface VeeRow {
  readonly id: string;
  readonly component: string;
  readonly index: number;
}

/**
 * For these rows, and it asks for no more than they need. The names are those that the API lists for the caller, so
 * that a tenant learns none of another's.
 */
export async function namerFor(client: ApiClient, rows: readonly Subject[]): Promise<Namer> {
  const [services, vees] = await Promise.all([
    rows.some((r) => r.serviceId !== undefined) ? client.list<ServiceRow>('/v1/services') : [],
    rows.some((r) => r.veeId !== undefined) ? client.list<VeeRow>('/v1/vees') : [],
  ]);
  return createNamer(services, vees);
}

export function createNamer(services: readonly ServiceRow[], vees: readonly VeeRow[]): Namer {
  const tenants = new Map<string, Set<string>>();
  for (const { name, tenantId } of services)
    tenants.set(name, (tenants.get(name) ?? new Set()).add(tenantId));
  const shared = (name: string) => (tenants.get(name)?.size ?? 0) > 1;
  const serviceNames = new Map(
    services.map((s) => [s.id, shared(s.name) ? `${s.tenantId}:${s.name}` : s.name]),
  );
  const veeNames = new Map(vees.map((v) => [v.id, `${v.component}/${v.index}`]));
  // What was made since the lists were read keeps its id.
  const service = (id: string) => serviceNames.get(id) ?? id;
  return {
    service,
    subject: ({ serviceId, veeId, hostId }) => {
      if (serviceId === undefined) return String(hostId ?? 'site');
      if (veeId === undefined) return service(String(serviceId));
      const vee = veeNames.get(String(veeId));
      return vee === undefined ? String(veeId) : `${service(String(serviceId))}/${vee}`;
    },
  };
}
