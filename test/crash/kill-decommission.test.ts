import { operating } from '../operations/scenarios';
import { killEachStep } from './kill-suite';

killEachStep({
  name: 'decommission',
  prepare: operating,
  start: (site, id) => site.delete(`/v1/services/${id}`),
});
