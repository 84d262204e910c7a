import { cpus } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import type { DriverCapabilities, HostFingerprint } from '../../domain/host';
import type { VeeId } from '../../domain/ids';
import { acceptsFormat, acceptsWarm, pinnedImage, REGISTERED_FORMATS } from '../../domain/images/reference';
import type { Capacity } from '../../domain/units';
import type {
  Driver,
  DriverConfig,
  DriverState,
  ExecResult,
  RecoveryReport,
  TransferOffer,
  VeeRef,
  VeeSpec,
  VeeStatus,
} from '../contract';
import { type KeptVee, requireLatest, requireState, sentAs, statusOf, VeeRecords } from '../lib/vee-records';
import { ScriptedHost, type SimulatorScript } from './script';
import { SimulatedUsage } from './usage';
import { NOTHING_CAPTURED, SIMULATED_WARM, simulatedCapture } from './warm';

export const SIMULATOR_CAPABILITIES: DriverCapabilities = {
  pause: true,
  suspend: true,
  liveResize: true,
  migration: 'live',
  exec: true,
  logs: true,
  enforces: { cpu: false, memory: false, disk: false },
  networks: true,
  context: true,
};

const DEFAULT_CAPACITY: Capacity = {
  cpuMillis: 16_000,
  memoryMiB: 65_536,
  diskMiB: 1_048_576,
  bandwidthKbps: 10_000_000,
};

/** What a simulated host pretends to have; any other image is unknown, as on a real one. */
const IMAGES = ['busybox'];

/**
 * A host that runs nothing: its VEEs are records on disk, which is why they survive its agent. For scale and
 * fault tests; its fingerprint says `real: false`. Faults and delays: see `script.ts`. With
 * `SLUICE_SIMULATOR_LACKS=liveResize` it can't resize what runs, as some real ones can't.
 */
export async function createSimulatorDriver(config: DriverConfig): Promise<Driver> {
  const records = new VeeRecords(config.dataDir, false);
  await records.open();
  const script = new ScriptedHost(config.dataDir);
  const usage = new SimulatedUsage();
  const lacking = (process.env.SLUICE_SIMULATOR_LACKS ?? '').split(',');
  const capabilities: DriverCapabilities = {
    ...SIMULATOR_CAPABILITIES,
    liveResize: !lacking.includes('liveResize'),
    networks: !lacking.includes('networks'),
    context: !lacking.includes('context'),
  };
  const nothing = () => undefined;

  const set = (vee: KeptVee, state: DriverState) => records.put({ ...vee, state });
  const verb = <T>(
    name: string,
    veeId: VeeId,
    effect: (script: SimulatorScript) => Promise<T>,
    lie: () => T,
  ): Promise<T> => records.exclusively(veeId, () => script.perform(name, effect, lie));

  /** A verb that leads from some states to one other, and is done when it is there already. */
  const transition = (
    name: string,
    ref: VeeRef,
    from: DriverState[],
    to: DriverState,
    check?: (vee: KeptVee, script: SimulatorScript) => Promise<void>,
  ) =>
    verb(
      name,
      ref.veeId,
      async (script) => {
        const vee = await records.acting(ref);
        if (vee.state === to) return;
        requireState(vee, name, from);
        await check?.(vee, script);
        await set(vee, to);
      },
      nothing,
    );

  /** A real host reads the image again at each start: it may have gone since the VEE was defined. */
  async function requireImage(
    { veeId, template: { image } }: VeeSpec,
    { images = IMAGES }: SimulatorScript,
  ): Promise<void> {
    const pinned = pinnedImage(image);
    // Really fetched, though nothing runs from it.
    if (pinned && config.images) return config.images.link(pinned, join(records.folder(veeId), 'image'));
    if (!images.includes(image)) throw new SluiceError('image-unknown', `This host has no image "${image}".`);
  }

  async function make(spec: VeeSpec, state: DriverState, script: SimulatorScript): Promise<void> {
    const existing = await records.checkFence(spec, true);
    await requireImage(spec, script);
    if (existing?.spec.epoch === spec.epoch) return;
    await records.giving(spec, config.devices ?? {}, (given) => records.put({ spec, state, ...given }));
  }

  async function send(ref: VeeRef, toEpoch: number | undefined): Promise<void> {
    const vee = await records.acting(ref);
    requireLatest(vee, toEpoch);
    if (vee.state !== 'OUTGOING') requireState(vee, 'send', ['ACTIVE']);
    await records.put({ ...vee, state: 'OUTGOING', ...sentAs(toEpoch) });
  }

  /** Only what `send` has stopped is started again: it may never have come so far. */
  async function cancelSource(ref: VeeRef, of: number | undefined): Promise<void> {
    const vee = await records.acting(ref);
    requireLatest(vee, of);
    if (vee.state === 'OUTGOING') await set(vee, 'ACTIVE');
  }

  async function remove(ref: VeeRef): Promise<void> {
    await records.checkFence(ref);
    await records.raiseFence(ref, true);
    await records.remove(ref.veeId);
  }

  const status = (vee: KeptVee): VeeStatus => statusOf(vee, vee.state === 'ACTIVE');

  return {
    name: 'simulator',

    fingerprint: async (): Promise<HostFingerprint> => ({
      driver: 'simulator',
      description: 'Simulated: keeps records and runs nothing.',
      real: false,
      capabilities,
      capacity: config.capacity ?? DEFAULT_CAPACITY,
      images: config.images
        ? [...IMAGES, ...REGISTERED_FORMATS.map(acceptsFormat), acceptsWarm(SIMULATED_WARM)]
        : IMAGES,
      attributes: { machineCores: String(cpus().length) },
    }),

    define: (spec) => verb('define', spec.veeId, (script) => make(spec, 'DEFINED', script), nothing),
    start: (ref) =>
      transition('start', ref, ['DEFINED', 'EXITED'], 'ACTIVE', ({ spec }, script) =>
        requireImage(spec, script),
      ),
    pause: (ref) => transition('pause', ref, ['ACTIVE'], 'PAUSED'),
    resume: (ref) => transition('resume', ref, ['PAUSED'], 'ACTIVE'),
    suspend: (ref) => transition('suspend', ref, ['ACTIVE'], 'SUSPENDED'),
    restore: (ref) => transition('restore', ref, ['SUSPENDED'], 'ACTIVE'),
    capture: (ref, into) =>
      verb(
        'capture',
        ref.veeId,
        async () => {
          const vee = await records.acting(ref);
          requireState(vee, 'capture', ['ACTIVE', 'SUSPENDED']);
          return simulatedCapture(vee.spec, into);
        },
        // A host that only says so has written nothing, which is seen when the parts are put together.
        () => NOTHING_CAPTURED,
      ),
    stop: (ref) => transition('stop', ref, ['ACTIVE', 'PAUSED', 'EXITED'], 'DEFINED'),
    destroy: (ref) => verb('destroy', ref.veeId, () => remove(ref), nothing),
    resize: (ref, capacity) =>
      verb(
        'resize',
        ref.veeId,
        async () => {
          const vee = await records.acting(ref);
          requireState(vee, 'resize', ['ACTIVE', 'DEFINED']);
          if (vee.state === 'ACTIVE' && !capabilities.liveResize)
            throw new SluiceError('capability-missing', 'This host can’t resize what runs.');
          await records.put({ ...vee, spec: { ...vee.spec, template: { ...vee.spec.template, capacity } } });
        },
        nothing,
      ),

    inspect: (veeId) =>
      verb(
        'inspect',
        veeId,
        async ({ unready = false }) => {
          const vee = await records.get(veeId);
          return vee && { ...status(vee), ...(unready ? { ready: false } : {}) };
        },
        nothing,
      ),
    list: async () => (await records.all()).map(status),
    measure: async () => usage.measure(await records.all(), performance.now()),
    logs: async (veeId, tailLines) => {
      const vee = await records.get(veeId);
      if (!vee) throw new SluiceError('not-found', `This host has no VEE ${veeId}.`);
      return [`simulated ${vee.spec.component}/${vee.spec.index} is ${vee.state}`].slice(-tailLines);
    },
    exec: (ref) =>
      verb(
        'exec',
        ref.veeId,
        async (): Promise<ExecResult> => {
          requireState(await records.acting(ref), 'exec', ['ACTIVE']);
          return { exitCode: 0, stdout: '' };
        },
        () => ({ exitCode: 0, stdout: '' }),
      ),

    recover: async (): Promise<RecoveryReport> => ({
      adopted: (await records.all()).map((v) => v.spec.veeId),
      ended: [],
      unknown: [],
    }),

    prepareTarget: (spec) =>
      verb(
        'prepareTarget',
        spec.veeId,
        async (script): Promise<TransferOffer> => {
          await make(spec, 'INCOMING', script);
          return { address: config.hostId, token: `${spec.veeId}@${spec.epoch}` };
        },
        () => ({ address: config.hostId, token: 'lie' }),
      ),
    send: (ref, _, how) => verb('send', ref.veeId, () => send(ref, how?.toEpoch), nothing),
    switchOver: (ref) => transition('switchOver', ref, ['INCOMING'], 'ACTIVE'),
    finish: (ref) => verb('finish', ref.veeId, () => remove(ref), nothing),
    cancel: (ref, side, of) =>
      side === 'target'
        ? verb('cancel', ref.veeId, () => remove(ref), nothing)
        : verb('cancel', ref.veeId, () => cancelSource(ref, of), nothing),

    close: async () => {},
  };
}
