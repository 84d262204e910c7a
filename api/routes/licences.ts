import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import { NAME_PATTERN } from '../../domain/ids';
import { bookOf, LICENCE_BASES, type LicensedPlace } from '../../domain/placement/licences';
import { hostsOf, type PoolChange } from '../../store/licences';
import type { ApiDeps } from '../deps';
import { type Context, json, type Route, route } from '../route';

const byName = z.strictObject({ name: z.string().regex(NAME_PATTERN) });

const poolSchema = z.strictObject({
  count: z.int().min(1).max(1_000_000).describe('So many there are'),
  per: z
    .enum(LICENCE_BASES)
    .describe('What takes one: a VEE, a host on which any such VEE is, or each core of a VEE, rounded up'),
});

const licenceSchema = poolSchema
  .extend({
    name: z.string(),
    used: z.int(),
    usedBy: z.array(z.object({ veeId: z.string(), hostId: z.string(), tenantId: z.string().optional() })),
  })
  .meta({ id: 'Licence' });

const MOST_NAMED = 5;

/** Licences of a site: whoever takes one is placed only while there are some. */
export function licenceRoutes({ store, siteId }: ApiDeps): Route[] {
  async function all() {
    const licences = await store.licences.read();
    if (!licences) return [];
    const book = bookOf({ licences, hosts: hostsOf(licences.places) });
    return licences.pools.map((pool) => ({
      ...pool,
      used: book.used(pool.name),
      usedBy: licences.places
        .filter((p) => p.licences.includes(pool.name))
        .map(({ veeId, hostId, tenantId }) => ({ veeId, hostId, tenantId })),
    }));
  }

  /** Such as `shop/db/0 on host-1`. */
  async function holders(places: readonly LicensedPlace[]): Promise<string> {
    const named = await Promise.all(
      places.slice(0, MOST_NAMED).map(async ({ veeId, hostId }) => {
        const vee = await store.vees.get(veeId);
        const service = vee && (await store.services.get(vee.serviceId));
        return `${service ? `${service.name}/${vee.component}/${vee.index}` : veeId} on ${hostId}`;
      }),
    );
    const more = places.length - named.length;
    return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  }

  async function requireDone(name: string, change: PoolChange): Promise<void> {
    if (change.kind === 'done') return;
    throw new SluiceError(
      'licence-in-use',
      `${change.used} of ${name} ${change.used === 1 ? 'is' : 'are'} in use: ${await holders(change.places)}.`,
    );
  }

  const tell = ({ identity, operationId }: Pick<Context, 'identity' | 'operationId'>, what: string) =>
    store.events.append({
      ...{ id: `${operationId}/licence`, at: Date.now(), kind: 'site.licence', subject: siteId },
      message: `${identity.name} ${what}`,
    });

  return [
    route({
      method: 'get',
      path: '/v1/licences',
      tag: 'policies',
      summary: 'The licences of the site, and what takes them',
      roles: ['operator'],
      responses: { 200: { description: 'Licences', schema: z.object({ items: z.array(licenceSchema) }) } },
      handler: async () => ({ status: 200, body: { items: await all() } }),
    }),
    route({
      method: 'put',
      path: '/v1/licences/{name}',
      tag: 'policies',
      summary: 'Say how many licences of something there are; not fewer than are in use',
      roles: ['operator'],
      params: byName,
      body: json(poolSchema),
      responses: { 200: { description: 'The licence', schema: licenceSchema } },
      write: true,
      handler: async (context) => {
        const { name } = context.params;
        await requireDone(name, await store.licences.set({ name, ...context.body }));
        const { count, per } = context.body;
        await tell(context, `says that there are ${count} licences of ${name}, one for each ${per}`);
        const found = (await all()).find((l) => l.name === name);
        if (!found) throw new SluiceError('conflict', `The licence ${name} was removed meanwhile.`);
        return { status: 200, body: found };
      },
    }),
    route({
      method: 'delete',
      path: '/v1/licences/{name}',
      tag: 'policies',
      summary: 'Forget a licence that nothing takes',
      roles: ['operator'],
      params: byName,
      responses: { 200: { description: 'It is gone', schema: z.object({ name: z.string() }) } },
      write: true,
      handler: async (context) => {
        const { name } = context.params;
        const known = (await store.licences.pools()).some((p) => p.name === name);
        if (!known) throw new SluiceError('not-found', `The site has no licence ${name}.`);
        await requireDone(name, await store.licences.remove(name));
        await tell(context, `has removed the licence ${name}`);
        return { status: 200, body: { name } };
      },
    }),
  ];
}
