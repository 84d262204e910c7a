import { liesOf } from './lies-suite';
import { SCENARIOS } from './scenarios';

for (const scenario of SCENARIOS.filter((s) => s.name.startsWith('vee.') && !s.site)) liesOf(scenario);
