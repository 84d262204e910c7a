import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import { WARM_FILES, type WarmFacts } from '../../domain/images/warm';
import type { Capacity } from '../../domain/units';
import type { DriverState, VeeSpec } from '../contract';
import { deviceVariables, type HostDevices, nodesOf } from '../lib/device-numbers';
import type { KeptVee, VeeRecords } from '../lib/vee-records';
import { requireNetwork } from '../network/for-host';
import { announce } from './announce';
import { BootGate } from './boot-gate';
import { FILES } from './command-line';
import { writeContext } from './context';
import { createDisk, flattenDisk, growDisk, guestOf, type Images, type QemuImage } from './images';
import { type Layout, refused, shrinks, vcpusOf } from './layout';
import type { Machines } from './machines';
import type { Place } from './receiving';
import { resizeLive } from './resize';
import { loadState, saveState } from './state-file';
import { describeWarm } from './warm';
import { goOnAs, isNew, markNew, requireLike } from './warm-start';

/** So many boot at a time on one host; the next begins when one is up, or has had this long. */
const BOOTS_AT_A_TIME = 2;
const BOOT_MILLIS = 10_000;
const READY_MILLIS = 10_000;
/** How far memory may grow without a stop. */
const MEMORY_GROWTH = 4;

/** What a VEE is as a machine: its files, and how it comes to run. */
export class VeeMachines {
  private readonly machines: Machines;
  private readonly records: VeeRecords;
  private readonly images: Images;
  private readonly made: Pick<Layout, 'machine' | 'accelerator' | 'qemu'>;
  private readonly devices: HostDevices;
  private readonly gate = new BootGate(BOOTS_AT_A_TIME);

  constructor(
    machines: Machines,
    records: VeeRecords,
    images: Images,
    made: Pick<Layout, 'machine' | 'accelerator' | 'qemu'>,
    devices: HostDevices = {},
  ) {
    this.devices = devices;
    this.machines = machines;
    this.records = records;
    this.images = images;
    this.made = made;
  }

  /** Makes what there is to it before it runs, unless that is there. */
  async make(spec: VeeSpec, state: DriverState): Promise<Place> {
    const existing = await this.records.checkFence(spec, true);
    const { image: name, capacity } = spec.template;
    const image = await this.imageOf(spec);
    const place = { image, layout: this.layoutFor(spec, image) };
    requireNetwork(spec, this.machines.network);
    if (existing?.spec.epoch === spec.epoch) return place;
    requireMemory(name, image, capacity);
    const { warm } = image;
    if (warm) requireLike(warm, image.digest, spec);
    if (existing) {
      await this.machines.end(spec.veeId, 0);
      await this.records.remove(spec.veeId);
      await this.imageOf(spec);
    }
    await this.records.giving(spec, this.devices, async (given) => {
      if (given.devices && state === 'INCOMING')
        throw refused('A machine that has devices is not moved as it runs: here it has others.');
      if (nodesOf(this.devices, given).length > 0)
        throw refused('Machines are given devices by number only, and no nodes.');
      const folder = this.records.folder(spec.veeId);
      // Its memory and its environment are nobody else's.
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeContext(folder, spec, deviceVariables(given.devices), (warm?.layout ?? place.layout).seed);
      await this.requireDisk(spec.veeId, image, capacity);
      if (warm && state === 'DEFINED') await markNew(folder);
      await this.records.put({ spec, state, ...given });
    });
    return place;
  }

  async requireDisk(veeId: VeeId, image: QemuImage, { diskMiB }: Capacity): Promise<void> {
    if (diskMiB < image.leastDiskMiB)
      throw refused(`The image has ${image.leastDiskMiB} MiB, and its disk only ${diskMiB}.`);
    if (diskMiB > 0) await createDisk(this.machines.path(veeId, FILES.disk), image, diskMiB);
  }

  /** @throws SluiceError `driver-refused` for what can't be done, or not while it runs */
  async resize({ spec, state }: KeptVee, to: Capacity): Promise<void> {
    const { veeId, template } = spec;
    const image = await this.imageOf(spec);
    if (state === 'ACTIVE') return resizeLive(this.machines, veeId, to, image.leastMemoryMiB);
    const from = template.capacity.diskMiB;
    requireMemory(template.image, image, to);
    if (to.diskMiB < from) throw shrinks(from, to.diskMiB);
    if (from === 0) await this.requireDisk(veeId, image, to);
    else if (to.diskMiB > from) await growDisk(this.machines.path(veeId, FILES.disk), to.diskMiB);
  }

  /** Starts it from its disk, whatever an interrupted attempt left behind. */
  async boot(vee: KeptVee): Promise<void> {
    const { veeId } = vee.spec;
    await this.machines.end(veeId, 0);
    const image = await this.imageOf(vee.spec);
    if (image.warm && isNew(this.records.folder(veeId))) return goOnAs(this.machines, vee, image, image.warm);
    const layout = this.layoutFor(vee.spec, image);
    const leave = await this.gate.enter();
    try {
      // One that an earlier release has defined has none yet.
      if (layout.seed && !existsSync(this.machines.path(veeId, FILES.seed)))
        await writeContext(this.records.folder(veeId), vee.spec, deviceVariables(vee.devices), true);
      await this.machines.spawn(veeId, layout, image);
    } catch (error) {
      leave();
      throw error;
    }
    void this.machines.awaitAgent(veeId, BOOT_MILLIS).finally(leave);
  }

  /**
   * From the file that `suspend` has written. That is removed before the machine goes on: its disk changes from then
   * on, and the old memory must never meet it.
   */
  async restore(vee: KeptVee): Promise<void> {
    const { veeId, template } = vee.spec;
    const path = this.machines.path(veeId, FILES.memory);
    await this.machines.end(veeId, 0);
    const kept = await this.machines.kept(veeId);
    if (!kept || !existsSync(path)) throw refused(`${veeId} has no memory to go on with.`);
    const image = await this.imageOf(vee.spec);
    if (image.digest !== kept.layout.imageDigest)
      throw refused(`The image "${template.image}" is another one than ${veeId} was suspended with.`);
    const qmp = await loadState(this.machines, veeId, kept.layout, image, path);
    await this.records.put({ ...vee, state: 'ACTIVE' });
    await rm(path, { force: true });
    await qmp.execute('cont');
    await announce(qmp, vee.spec.networks);
  }

  /**
   * All of it has come, and the other copy is still. One whose memory was lost since it went on has its disk to start from.
   * @throws SluiceError `driver-failed` when it has not come, `driver-refused` when it was lost before: the source still has it
   */
  async goOn(vee: KeptVee): Promise<void> {
    const { veeId } = vee.spec;
    const kept = await this.machines.kept(veeId);
    if (kept?.received !== true) throw new SluiceError('driver-failed', `${veeId} has not arrived here.`);
    if (!(await this.machines.find(veeId))) {
      if (!kept.resumed) throw refused(`${veeId} was lost here before it went on: its source still has it.`);
      return this.boot(vee);
    }
    const qmp = await this.machines.qmp(veeId);
    if (!kept.resumed) await this.machines.keep(veeId, { ...kept, resumed: true });
    await qmp.execute('cont');
    await announce(qmp, vee.spec.networks);
  }

  /**
   * After a restart of the agent: what it was doing when it died is brought to one side or the other.
   * @throws SluiceError when the machine does not answer
   */
  async adopt(vee: KeptVee): Promise<void> {
    const { veeId } = vee.spec;
    const found = await this.machines.run(veeId);
    if (!found) return;
    await this.machines.network?.adopt('tap', vee.spec, found.pid);
    // It was being suspended, or restored, or paused, and that was not recorded.
    if (vee.state === 'ACTIVE' && ['paused', 'postmigrate', 'prelaunch'].includes(found.status))
      await (await this.machines.qmp(veeId)).execute('cont');
    if (vee.state === 'SUSPENDED' && found.status !== 'running') await this.machines.end(veeId, 0);
  }

  /** Of one from a warm image: was it begun, and never became itself? */
  isHalf = ({ spec }: KeptVee): boolean => isNew(this.records.folder(spec.veeId));

  /**
   * Stills a machine, puts what it is into a folder, and lets it go on; one that is suspended stays so.
   * @throws SluiceError `driver-refused` where nobody in it could tell what comes of it what that is
   */
  async capture({ spec, state }: KeptVee, into: string): Promise<WarmFacts> {
    const { veeId } = spec;
    const image = await this.imageOf(spec);
    const kept = await this.machines.kept(veeId);
    if (!kept) throw refused(`${veeId} has no machine.`);
    const memory = join(into, WARM_FILES.memory);
    const keepDisk = async () => {
      if (kept.layout.diskMiB > 0)
        await flattenDisk(this.machines.path(veeId, FILES.disk), join(into, WARM_FILES.disk));
    };
    if (state === 'SUSPENDED') {
      await copyFile(this.machines.path(veeId, FILES.memory), memory);
      await keepDisk();
    } else {
      if (!(await this.machines.agentListens(veeId)))
        throw refused(
          `No agent answers in the guest of ${veeId}: what is made of it could not be told what it is.`,
        );
      try {
        await saveState(this.machines, veeId, memory);
        await keepDisk();
      } finally {
        await (await this.machines.qmp(veeId)).execute('cont');
      }
    }
    return describeWarm(into, spec, kept.layout, guestOf(image));
  }

  async isReady({ spec }: KeptVee): Promise<boolean> {
    const { readiness } = spec.template;
    if (readiness.kind === 'running') return true;
    const ask = () =>
      this.machines.withAgent(spec.veeId, READY_MILLIS, (agent) =>
        agent.exec(readiness.command, READY_MILLIS),
      );
    // As long as it boots nobody is there to be asked.
    if (!(await this.machines.agentListens(spec.veeId))) return false;
    return ask().then(
      ({ exitCode }) => exitCode === 0,
      () => false,
    );
  }

  private imageOf({ veeId, template }: VeeSpec): Promise<QemuImage> {
    return this.images.findFor(template.image, this.records.folder(veeId));
  }

  private layoutFor({ template: { capacity, context }, networks }: VeeSpec, image: QemuImage): Layout {
    const vcpus = vcpusOf(capacity);
    return {
      ...this.made,
      imageDigest: image.digest,
      bootMemoryMiB: capacity.memoryMiB,
      mostMemoryMiB: capacity.memoryMiB * MEMORY_GROWTH,
      dimmsMiB: [],
      bootVcpus: vcpus,
      mostVcpus: Math.max(vcpus, cpus().length),
      pluggedVcpus: [],
      diskMiB: capacity.diskMiB,
      // The guest that is built in has no cloud-init, and needs none where nothing is to be told.
      ...(image.kind === 'disk' || context ? { seed: true } : {}),
      ...(networks ? { nics: networks.map(({ mac, mtu }) => ({ mac, mtu })) } : {}),
    };
  }
}

function requireMemory(name: string, { leastMemoryMiB }: QemuImage, { memoryMiB }: Capacity): void {
  if (memoryMiB < leastMemoryMiB)
    throw refused(`The image "${name}" needs ${leastMemoryMiB} MiB of memory, more than ${memoryMiB}.`);
}
