import type { ServiceId, TenantId, VeeId } from '../../domain/ids';
import type { VeeSpec } from '../../drivers/contract';

export function specFor(veeId: string, overrides: Partial<VeeSpec['template']> = {}): VeeSpec {
  return {
    veeId: veeId as VeeId,
    epoch: 1,
    tenantId: 'acme' as TenantId,
    serviceId: 'svc-1' as ServiceId,
    component: 'app',
    index: 0,
    template: {
      image: 'busybox',
      command: [],
      environment: {},
      capacity: { cpuMillis: 200, memoryMiB: 32, diskMiB: 0, bandwidthKbps: 0 },
      readiness: { kind: 'running' },
      stopGraceMillis: 500,
      ...overrides,
    },
  };
}
