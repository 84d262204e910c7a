import type { DriverCapabilities, HostFingerprint } from '../../domain/host';
import { acceptsWarm } from '../../domain/images/reference';
import type { Capacity } from '../../domain/units';
import type { DriverConfig } from '../contract';
import { foundCapacity, machineAttributes } from '../lib/machine-facts';
import { builtGuest } from './guest/build';
import { Images } from './images';
import { type Layout, type MachineType, machineType, refused } from './layout';
import { type Accelerator, chooseAccelerator, inWords, qemuObstacle, qemuVersion, releaseOf } from './probe';
import { warmClass } from './warm';

/** How far a migration is: on its target, `prepare` and `resume`, on its source the others. */
export type MigrationPhase =
  | 'prepare'
  | 'mirror'
  | 'memory'
  | 'pre-switchover'
  | 'switch-over'
  | 'received'
  | 'resume'
  | 'finish';

export interface QemuDriverConfig extends DriverConfig {
  /** For crash tests: told of each phase as it begins, and waited for. */
  readonly reached?: (phase: MigrationPhase) => Promise<void>;
  /** Where images are, instead of what `SLUICE_QEMU_IMAGES` says. */
  readonly imagesDir?: string;
  /** Instead of what `SLUICE_QEMU_MACHINE` says. */
  readonly machine?: MachineType;
  /** Not to be found out. */
  readonly accelerator?: 'kvm' | 'tcg';
}

const CAPABILITIES: DriverCapabilities = {
  pause: true,
  suspend: true,
  liveResize: true,
  migration: 'live',
  exec: true,
  logs: true,
  // A machine has whole vCPUs, and each may take a whole core.
  enforces: { cpu: false, memory: true, disk: true },
};

/** What this host is as one of machines: found out once, when its agent begins. */
export class QemuHost {
  readonly images: Images;
  private readonly config: QemuDriverConfig;
  private readonly accelerator: Accelerator;
  private readonly version: string;
  private readonly machine: MachineType;

  private constructor(config: QemuDriverConfig, images: Images, accelerator: Accelerator, version: string) {
    this.config = config;
    this.images = images;
    this.accelerator = accelerator;
    this.version = version;
    this.machine = machineType(config.machine);
  }

  /** @throws SluiceError `driver-refused` where machines can't run */
  static async find(config: QemuDriverConfig): Promise<QemuHost> {
    const obstacle = qemuObstacle();
    if (obstacle) throw refused(`Machines need ${obstacle.missing}: ${obstacle.mend}.`);
    const images = new Images(config.imagesDir, config.images);
    const accelerator = config.accelerator
      ? { name: config.accelerator, because: 'it was asked for' }
      : await chooseAccelerator(images, machineType(config.machine));
    return new QemuHost(config, images, accelerator, await qemuVersion());
  }

  /** What all its machines have in common. */
  get made(): Pick<Layout, 'machine' | 'accelerator' | 'qemu'> {
    return { machine: this.machine, accelerator: this.accelerator.name, qemu: releaseOf(this.version) };
  }

  private async warmClasses(): Promise<string[]> {
    const guest = await builtGuest();
    const classes = [
      await warmClass(this.made),
      ...(guest ? [await warmClass(this.made, guest.digest)] : []),
    ];
    return classes.map(acceptsWarm);
  }

  async fingerprint(networks: boolean): Promise<HostFingerprint> {
    const { dataDir, capacity, reserve } = this.config;
    const { name, because } = this.accelerator;
    return {
      driver: 'qemu',
      description: `Real machines by QEMU ${this.version} under ${inWords({ name, because })}.`,
      real: true,
      capabilities: { ...CAPABILITIES, networks, context: true },
      capacity: capacity ?? withoutOwn(await foundCapacity(dataDir, reserve)),
      images: [...(await this.images.names()), ...(this.config.images ? await this.warmClasses() : [])],
      attributes: {
        ...(await machineAttributes(dataDir)),
        ...{ qemu: this.version, accelerator: this.accelerator.name, machine: this.machine },
      },
    };
  }
}

/** What QEMU itself takes for each machine, beside the machine's memory. */
const OWN_MIB = 80;
/** A machine as large as most. Smaller ones take more of QEMU's for as much memory of theirs: `reserve` is for that. */
const USUAL_MACHINE_MIB = 1_024;

/** What is left to machines of all memory, when there is a QEMU to each. */
export const withoutOwn = (capacity: Capacity): Capacity => ({
  ...capacity,
  memoryMiB: Math.floor((capacity.memoryMiB * USUAL_MACHINE_MIB) / (USUAL_MACHINE_MIB + OWN_MIB)),
});
