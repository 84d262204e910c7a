import { matrixPart } from './matrix-suite';

matrixPart(1, 2);
