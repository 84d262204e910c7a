import { manifestOf } from '../support/manifests';
import { everyStep, type Scenario } from './every-step-suite';
import { operating } from './scenarios';

const SCENARIOS: Scenario[] = [
  {
    name: 'service.provision',
    prepare: async (_site, name) => name,
    start: (site, name) => site.apply(manifestOf(name)),
  },
  {
    name: 'service.decommission',
    prepare: operating,
    start: (site, id) => site.delete(`/v1/services/${id}`),
  },
  {
    name: 'service.scale out',
    prepare: operating,
    start: (site, id) => site.post(`/v1/services/${id}/components/app/scale`, { instances: 2 }),
  },
  {
    name: 'service.scale in',
    prepare: async (site, name) => {
      const id = await operating(site, name);
      await site.done(await site.post(`/v1/services/${id}/components/app/scale`, { instances: 2 }));
      return id;
    },
    start: (site, id) => site.post(`/v1/services/${id}/components/app/scale`, { instances: 1 }),
  },
  {
    name: 'service.suspend',
    prepare: operating,
    start: (site, id) => site.post(`/v1/services/${id}/suspend`),
  },
];

SCENARIOS.push({
  name: 'service.resume',
  prepare: async (site, name) => {
    const id = await operating(site, name);
    await site.done(await site.post(`/v1/services/${id}/suspend`));
    return id;
  },
  start: (site, id) => site.post(`/v1/services/${id}/resume`),
});

for (const scenario of SCENARIOS) everyStep(scenario);
