import type { BlueprintId, HostId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { MAX_VEES_PER_SERVICE } from '../../domain/manifest/well-formed';
import type { Deployment, LivingVee } from '../../domain/service/deployment';

const LIMIT_BYTES = 200 * 1_024;
const longest = 'n'.repeat(63);
const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

/** Names as long as they may be, and as many VEEs as one service may have. */
describe('what travels through workflow histories', () => {
  const vees = Array.from({ length: MAX_VEES_PER_SERVICE }, (_, index) => ({
    veeId: `vee-${'0'.repeat(24)}` as VeeId,
    component: longest,
    index,
    hostId: longest as HostId,
    epoch: 1,
  }));

  it('is below 200 KiB for a whole deployment', () => {
    const deployment: Deployment = {
      blueprintId: `bp-${'0'.repeat(24)}` as BlueprintId,
      tenantId: longest as TenantId,
      serviceId: `svc-${'0'.repeat(24)}` as ServiceId,
      templates: {
        [longest]: {
          image: 'busybox',
          command: ['x'.repeat(65_536)],
          environment: {},
          capacity: { cpuMillis: 256_000, memoryMiB: 4_194_304, diskMiB: 0, bandwidthKbps: 0 },
          readiness: { kind: 'running' },
          stopGraceMillis: 0,
        },
      },
      levels: [[longest]],
      vees,
      queues: Object.fromEntries(
        Array.from({ length: 100 }, (_, i) => [`${longest}${i}`, `agent:${longest}:${longest}`]),
      ),
    };
    expect(bytes(deployment)).toBeLessThan(LIMIT_BYTES);
  });

  it('is below 200 KiB for the list of VEEs to stop', () => {
    const living: LivingVee[] = vees.map((v) => ({
      ...v,
      hostId: 'host-with-a-usual-name' as HostId,
      agentQueue: 'agent:site-a:host-with-a-usual-name',
      stopGraceMillis: 600_000,
      state: 'SUSPENDED',
      canSuspend: true,
    }));
    expect(bytes([living])).toBeLessThan(LIMIT_BYTES);
  });
});
