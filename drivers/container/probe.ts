import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import type { VeeSpec } from '../contract';
import { createContainerDriver } from './driver';
import { containerObstacle } from './runtime';

export interface Obstacle {
  readonly missing: string;
  readonly mend: string;
}

const PROBE: VeeSpec = {
  veeId: `vee-probe-${process.pid}` as VeeId,
  epoch: 1,
  tenantId: 'sluice' as TenantId,
  serviceId: 'probe' as ServiceId,
  component: 'probe',
  index: 0,
  template: {
    image: 'busybox',
    command: [],
    environment: {},
    capacity: { cpuMillis: 100, memoryMiB: 16, diskMiB: 0, bandwidthKbps: 0 },
    readiness: { kind: 'running' },
    stopGraceMillis: 0,
  },
};

/**
 * Can containers run here? Programs on PATH only suggest it; one that has run is the proof.
 * @returns what is in the way, and what mends it; undefined when nothing is
 */
export async function probeContainers(): Promise<Obstacle | undefined> {
  const obstacle = containerObstacle();
  if (obstacle) return obstacle;
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-probe-'));
  try {
    const driver = await createContainerDriver({ hostId: 'probe' as HostId, dataDir });
    try {
      await driver.define(PROBE);
      await driver.start(PROBE);
      const { exitCode } = await driver.exec(PROBE, ['/bin/true']);
      return exitCode === 0
        ? undefined
        : { missing: 'a container that works', mend: `a probe container ended with ${exitCode}` };
    } finally {
      await driver.destroy(PROBE).catch(() => undefined);
      await driver.close();
    }
  } catch (error) {
    return { missing: 'a container that starts', mend: (error as Error).message };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
