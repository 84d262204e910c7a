import { everyStepOfPart } from './every-step-suite';

everyStepOfPart(1, 4);
