import { liesOf } from './lies-suite';
import { SCENARIOS } from './scenarios';

liesOf(SCENARIOS.filter((s) => s.name.startsWith('vee.') && !s.site));
