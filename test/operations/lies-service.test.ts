import { liesOf } from './lies-suite';
import { scenarioNamed } from './scenarios';

for (const name of ['provision', 'scale-out', 'scale-in', 'suspend', 'resume', 'decommission'])
  liesOf(scenarioNamed(`service.${name}`));
