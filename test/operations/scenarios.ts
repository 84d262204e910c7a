import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import type { TestSite } from '../support/site';
import type { Scenario } from './every-step-suite';

export async function operating(
  site: TestSite,
  name: string,
  overrides: Record<string, unknown> = {},
): Promise<string> {
  const operation = await site.done(await site.apply(manifestOf(name, overrides)));
  return operation.serviceId;
}

const only = async (site: TestSite, serviceId: string, component: string): Promise<Json> =>
  (await site.vees(serviceId)).find((v) => v.component === component);

export const onVee = (verb: string, state?: string): Scenario => ({
  name: `vee.${verb}`,
  prepare: async (site, name) => {
    const serviceId = await operating(site, name);
    if (state)
      await site.done(await site.post(`/v1/vees/${(await only(site, serviceId, 'db')).id}/${state}`));
    return serviceId;
  },
  start: async (site, serviceId) => {
    const body = verb === 'resize' ? { cpuMillis: 200 } : verb === 'migrate' ? {} : undefined;
    return site.post(`/v1/vees/${(await only(site, serviceId, 'db')).id}/${verb}`, body);
  },
});
