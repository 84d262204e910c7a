import { inChunks } from '../domain/in-chunks';
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

/** So many are asked for at once. */
const AT_ONCE = 8;

/**
 * For these rows: it asks for what they name and for no more. What the API does not show the caller keeps its id, so that
 * a tenant learns nothing of another's.
 */
export async function namerFor(client: ApiClient, rows: readonly Subject[]): Promise<Namer> {
  const services = await each<ServiceRow>(
    client,
    '/v1/services',
    rows.map((r) => r.serviceId),
  );
  const vees = await each<VeeRow>(
    client,
    '/v1/vees',
    rows.map((r) => r.veeId),
  );
  return createNamer(services, vees);
}

async function each<T>(client: ApiClient, path: string, ids: readonly unknown[]): Promise<T[]> {
  const distinct = [...new Set(ids.filter((id) => id !== undefined).map(String))];
  const found: T[] = [];
  for (const some of inChunks(distinct, AT_ONCE))
    found.push(
      ...(
        await Promise.all(
          some.map((id) => client.get<T>(`${path}/${encodeURIComponent(id)}`).catch(() => undefined)),
        )
      ).filter((one) => one !== undefined),
    );
  return found;
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
