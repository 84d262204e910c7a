import type { BlueprintId, HostId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { MAX_CONTEXTS_BYTES } from '../../domain/manifest/context';
import { MAX_TEMPLATE_BYTES, MAX_VEES_PER_SERVICE } from '../../domain/manifest/well-formed';
import {
  type BatchContents,
  layOut,
  MOST_INLINE,
  tellable,
  toPlan,
  USUAL_BATCH,
} from '../../domain/service/batches';
import type { Deployment, LivingVee } from '../../domain/service/deployment';
import type { ScalingChange } from '../../domain/service/scaling';
import type { VeeTemplate } from '../../domain/vee/vee';

const LIMIT_BYTES = 200 * 1_024;
const longest = 'n'.repeat(63);
const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

const veesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    veeId: `vee-${'0'.repeat(24)}` as VeeId,
    component: longest,
    index,
    hostId: longest as HostId,
    epoch: 1,
  }));
const livingOf = (count: number) =>
  veesOf(count).map(
    (v): LivingVee => ({
      ...v,
      agentQueue: `agent:${longest}:${longest}`,
      stopGraceMillis: 600_000,
      state: 'SUSPENDED',
      canSuspend: true,
    }),
  );

/** All templates of a service together have at most so many bytes: `templates-bounded` and `contexts-bounded`. */
const templates: Record<string, VeeTemplate> = {
  [longest]: {
    image: 'busybox',
    command: ['x'.repeat(65_536)],
    environment: {},
    context: { userData: 'x'.repeat(MAX_CONTEXTS_BYTES) },
    capacity: { cpuMillis: 256_000, memoryMiB: 4_194_304, diskMiB: 0, bandwidthKbps: 0 },
    readiness: { kind: 'running' },
    stopGraceMillis: 0,
  },
};

/** Names as long as they may be, and as many VEEs as one service may have. */
describe('what travels through workflow histories is below 200 KiB', () => {
  const waves = layOut([veesOf(MAX_VEES_PER_SERVICE)]);
  const largestBatch = Math.max(...waves.flat().map((b) => b.groups.flat().length));
  const plan = toPlan(`op-${'0'.repeat(24)}/retire`, waves);

  it('for a deployment that an operation works on itself', () => {
    const deployment: Deployment = {
      blueprintId: `bp-${'0'.repeat(24)}` as BlueprintId,
      tenantId: longest as TenantId,
      serviceId: `svc-${'0'.repeat(24)}` as ServiceId,
      templates,
      levels: [[longest]],
      vees: veesOf(MOST_INLINE),
      queues: Object.fromEntries(
        Array.from({ length: MOST_INLINE }, (_, i) => [`${longest}${i}`, `agent:${longest}:${longest}`]),
      ),
    };
    expect(bytes(deployment)).toBeLessThan(LIMIT_BYTES);
  });

  it('for a list of VEEs that an operation works on itself', () => {
    const living = livingOf(MOST_INLINE);
    expect(tellable(living, USUAL_BATCH)).toBe(true);
    expect(bytes([living])).toBeLessThan(LIMIT_BYTES);
    const drain = { command: ['x'.repeat(MAX_TEMPLATE_BYTES)], timeoutMillis: 600_000 };
    // With large hooks, even a few are told by reference.
    expect(
      tellable(
        living.map((v) => ({ ...v, drain })),
        USUAL_BATCH,
      ),
    ).toBe(false);
  });

  it('for the plan of all batches of the largest service', () => {
    expect(plan.total).toBe(MAX_VEES_PER_SERVICE);
    expect(bytes(plan)).toBeLessThan(LIMIT_BYTES);
  });

  it('for the contents of the largest batch', () => {
    const groups = [livingOf(largestBatch)];
    const toDeploy: BatchContents = { gone: [], templates, drains: {}, groups };
    expect(bytes(toDeploy)).toBeLessThan(LIMIT_BYTES);
    // A hook is part of its component's template, and counts in the bytes that all of those may have.
    const drain = { command: ['x'.repeat(65_536)], timeoutMillis: 600_000 };
    const toRetire: BatchContents = { gone: [], templates: {}, drains: { [longest]: drain }, groups };
    expect(bytes(toRetire)).toBeLessThan(LIMIT_BYTES);
  });

  it('for a scaling of the largest array', () => {
    const change: ScalingChange = {
      create: Array.from({ length: MAX_VEES_PER_SERVICE }, (_, i) => i),
      retire: [],
      retireInBatches: plan,
    };
    expect(bytes(change)).toBeLessThan(LIMIT_BYTES);
  });
});
