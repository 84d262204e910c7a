import { inPlace } from '../../domain/reconcile/in-place';
import { SIMULATOR_CAPABILITIES } from '../../drivers/simulator/driver';

describe('a copy in place', () => {
  it('is told with all in which its size is wrong', () => {
    const capacity = { cpuMillis: 100, memoryMiB: 64, diskMiB: 10, bandwidthKbps: 0, devices: { gpu: 2 } };
    const seen = { ...capacity, cpuMillis: 200, devices: { gpu: 1 } };
    const judged = inPlace(
      { state: 'ACTIVE', capacity },
      { state: 'ACTIVE', capacity: seen },
      SIMULATOR_CAPABILITIES,
    );
    expect(judged).toMatchObject({ kind: 'mend', verb: 'resize' });
    const { because } = judged as { because: string };
    expect(because).toContain('cpuMillis recorded 100, reported 200; ');
    expect(because).toContain('gpu recorded 2, reported 1');
  });
});
