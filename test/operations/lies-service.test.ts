import { manifestOf } from '../support/manifests';
import { liesOf } from './lies-suite';
import { operating } from './scenarios';

liesOf({
  name: 'service.provision',
  prepare: async (_site, name) => name,
  start: (site, name) => site.apply(manifestOf(name)),
});
liesOf({
  name: 'service.scale out',
  prepare: operating,
  start: (site, id) => site.post(`/v1/services/${id}/components/app/scale`, { instances: 2 }),
});
liesOf({
  name: 'service.scale in',
  prepare: async (site, name) => {
    const components = manifestOf(name).components as { name: string }[];
    const two = components.map((c) =>
      c.name === 'app' ? { ...c, instances: { min: 1, initial: 2, max: 3 } } : c,
    );
    return operating(site, name, { components: two });
  },
  start: (site, id) => site.post(`/v1/services/${id}/components/app/scale`, { instances: 1 }),
});
liesOf({
  name: 'service.suspend',
  prepare: operating,
  start: (site, id) => site.post(`/v1/services/${id}/suspend`),
});
liesOf({
  name: 'service.resume',
  prepare: async (site, name) => {
    const id = await operating(site, name);
    await site.done(await site.post(`/v1/services/${id}/suspend`));
    return id;
  },
  start: (site, id) => site.post(`/v1/services/${id}/resume`),
});
liesOf({
  name: 'service.decommission',
  prepare: operating,
  start: (site, id) => site.delete(`/v1/services/${id}`),
});
