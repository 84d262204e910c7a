import {
  costOfEnding,
  costOfMaking,
  costOfMoving,
  costOfResizing,
  NO_COST,
  together,
} from '../../domain/operation/plan-cost';
import { ZERO } from '../../domain/units';

const capacity = { cpuMillis: 100, memoryMiB: 64, diskMiB: 10, bandwidthKbps: 1 };

describe('what a plan costs', () => {
  it('is what is held more afterwards, and who is interrupted for it', () => {
    expect(costOfMaking([capacity, capacity])).toEqual({
      vees: 2,
      interrupted: 0,
      capacity: { cpuMillis: 200, memoryMiB: 128, diskMiB: 20, bandwidthKbps: 2 },
    });
    expect(costOfEnding([{ capacity, serves: false }])).toMatchObject({ vees: 1, interrupted: 0 });
    expect(costOfResizing(capacity, { ...capacity, cpuMillis: 40 }).capacity).toEqual({
      ...ZERO,
      cpuMillis: -60,
    });
    expect(costOfMoving([{ mode: 'pre-copy' }, { mode: 'cold' }])).toEqual({
      vees: 2,
      interrupted: 1,
      capacity: ZERO,
    });
  });

  it('adds up: what is replaced by its like holds what it held', () => {
    expect(together([costOfMaking([capacity]), costOfEnding([{ capacity, serves: true }])])).toEqual({
      vees: 2,
      interrupted: 1,
      capacity: ZERO,
    });
    expect(together([])).toEqual(NO_COST);
  });
});
