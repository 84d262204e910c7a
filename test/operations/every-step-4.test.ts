import { everyStepOfPart } from './every-step-suite';

everyStepOfPart(4, 4);
