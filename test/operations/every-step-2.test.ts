import { everyStepOfPart } from './every-step-suite';

everyStepOfPart(2, 4);
