import { liesOf } from './lies-suite';
import { scenarioNamed } from './scenarios';

liesOf(
  ['host.drain', 'host.restore', 'site.shutdown', 'site.power-up', 'site.rebalance'].map((name) =>
    scenarioNamed(name),
  ),
);

liesOf([scenarioNamed('host.recover')]);
