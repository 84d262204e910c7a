import { operating } from '../operations/scenarios';
import { killEachStep } from './kill-suite';

killEachStep({
  name: 'migrate',
  prepare: async (site, name) => (await site.vees(await operating(site, name)))[0].id,
  start: (site, veeId) => site.post(`/v1/vees/${veeId}/migrate`, {}),
});
