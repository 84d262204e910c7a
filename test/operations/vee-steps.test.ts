import { everyStep } from './every-step-suite';
import { onVee } from './scenarios';

everyStep(onVee('migrate'));
everyStep(onVee('pause'));
everyStep(onVee('resume', 'pause'));
everyStep(onVee('suspend'));
everyStep(onVee('restore', 'suspend'));
everyStep(onVee('restart'));
everyStep(onVee('resize'));
