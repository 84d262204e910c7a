import { liesOf } from './lies-suite';
import { onVee } from './scenarios';

liesOf(onVee('migrate'));
liesOf(onVee('pause'));
liesOf(onVee('resume', 'pause'));
liesOf(onVee('suspend'));
liesOf(onVee('restore', 'suspend'));
liesOf(onVee('restart'));
liesOf(onVee('resize'));
