import { matrixPart } from './matrix-suite';

matrixPart(2, 2);
