import { manifestOf } from '../support/manifests';
import { killEachStep } from './kill-suite';

killEachStep({
  name: 'provision',
  prepare: async (_site, name) => name,
  start: (site, name) => site.apply(manifestOf(name)),
});
