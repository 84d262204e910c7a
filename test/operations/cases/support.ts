import type { Json } from '../../support/json';
import { TestSite, type TestSiteOptions } from '../../support/site';

export const ATTEMPT_MILLIS = 1_000;
export const GIVE_UP_MILLIS = 3_000;

/** A site that waits for a host for seconds only, so that a case can see what follows. */
export const impatientSite = (options: TestSiteOptions = {}): Promise<TestSite> =>
  TestSite.start({
    ...options,
    environment: {
      SLUICE_ATTEMPT_MILLIS: String(ATTEMPT_MILLIS),
      SLUICE_GIVE_UP_MILLIS: String(GIVE_UP_MILLIS),
      SLUICE_UNDO_GIVE_UP_MILLIS: String(GIVE_UP_MILLIS),
      ...options.environment,
    },
  });

export const veeOf = async (site: TestSite, serviceId: string, component = 'db'): Promise<Json> =>
  (await site.vees(serviceId)).find((v) => v.component === component);

/** Its copies, as the hosts hold them. */
export const copiesOf = async (site: TestSite, veeId: string) =>
  (await site.onHosts())
    .filter((v) => v.veeId === veeId)
    .map(({ hostId, state, epoch }) => ({ hostId, state, epoch }));

export async function retried(site: TestSite, operationId: string): Promise<Json> {
  await site.post(`/v1/operations/${operationId}/retry`);
  return site.until(`${operationId} goes on`, 20_000, async () => {
    const { body } = await site.get(`/v1/operations/${operationId}`);
    return body.endedAt === undefined ? undefined : body;
  });
}

/** Whatever a case did, in the end every record is as the hosts are, and every invariant holds. */
export async function expectWhole(site: TestSite): Promise<void> {
  expect(await site.disagreements()).toEqual([]);
  expect(await site.violations()).toEqual([]);
}

/** Ends what a case left, and sees that nothing of it stays anywhere. */
export async function cleaned(site: TestSite): Promise<void> {
  for (const hostId of site.hostIds) await site.script(hostId);
  for (const service of await site.all('/v1/services'))
    if (service.phase !== 'decommissioned') await site.done(await site.delete(`/v1/services/${service.id}`));
  expect(await site.onHosts()).toEqual([]);
  expect((await site.get('/v1/holdings')).body.items).toEqual([]);
}
