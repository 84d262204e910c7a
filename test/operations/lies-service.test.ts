import { liesOf } from './lies-suite';
import { scenarioNamed } from './scenarios';

liesOf(
  [
    ...['provision', 'scale-out', 'scale-in', 'suspend', 'resume', 'decommission', 'migrate'],
    ...['recompose-roll', 'recompose-in-place', 'recompose-move'],
  ].map((name) => scenarioNamed(`service.${name}`)),
);
