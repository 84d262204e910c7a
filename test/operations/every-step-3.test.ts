import { everyStepOfPart } from './every-step-suite';

everyStepOfPart(3, 4);
