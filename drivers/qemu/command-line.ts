import { BYTES_PER_MIB } from '../lib/machine-usage';
import { baseOf, type QemuImage } from './images';
import { DIMM_SLOTS, type Layout, type Nic } from './layout';

/** What is in the folder of a machine, which QEMU runs in: no path of it depends on where, or how deep, that is. */
export const FILES = {
  console: 'console.log',
  errors: 'qemu.log',
  disk: 'disk.qcow2',
  /** From which cloud-init learns what the machine is. */
  seed: 'context/seed.iso',
  memory: 'memory.state',
  pid: 'qemu.pid',
  qmp: 'qmp.sock',
  agent: 'qga.sock',
  /** Where a machine that arrives takes its memory and its disk. */
  incomingMemory: 'memory.sock',
  incomingDisk: 'disk.sock',
} as const;

/** The folder of what the firmware hands over. */
export const CONTEXT = 'context';
/** By which a guest tells the disk for cloud-init from its own. */
const SEED_SERIAL = 'sluice-cidata';

export const DISK_NODE = 'disk0';
export const AGENT_CHARDEV = 'qga';

/** With `no_timer_check` and the rest, a kernel also boots where the emulated clock is late. */
const KERNEL_PARAMETERS =
  'console=ttyS0 quiet loglevel=3 panic=1 no_timer_check tsc=reliable swiotlb=512 mitigations=off memhp_default_state=online';

export interface Begin {
  /** `defer`: it waits to be told where its memory comes from. `fd:3`: from the file that it inherits. */
  readonly incoming?: 'defer' | 'fd:3';
  /** The host's ends of its interfaces, in their order. */
  readonly taps?: readonly string[];
}

/** QEMU's arguments. Everything that has a name of somebody else's in it is JSON, or a file by a name of ours. */
export function commandLine(layout: Layout, image: QemuImage, { incoming, taps = [] }: Begin = {}): string[] {
  const { machine, accelerator, bootMemoryMiB, mostMemoryMiB, bootVcpus, mostVcpus } = layout;
  const json = (option: string, value: object) => [option, JSON.stringify(value)];
  const socket = (id: string, path: string) => [
    '-chardev',
    `socket,id=${id},path=${path},server=on,wait=off`,
  ];
  const { nics = [] } = layout;
  const told = [
    ...['environment', 'command', 'hostname', 'vee.json'],
    ...(layout.seed ? ['files'] : []),
    ...(nics.length > 0 ? ['network'] : []),
  ];
  const context = told.flatMap((name) => ['-fw_cfg', `name=opt/org.sluice/${name},file=${CONTEXT}/${name}`]);
  return [
    '-nodefaults',
    '-no-user-config',
    ...['-display', 'none'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-machine', `${machine},accel=${accelerator},usb=off`],
    ...['-cpu', accelerator === 'kvm' ? 'host' : 'max'],
    ...['-m', `size=${bootMemoryMiB}M,slots=${DIMM_SLOTS},maxmem=${mostMemoryMiB}M`],
    ...['-smp', `cpus=${bootVcpus},maxcpus=${mostVcpus},sockets=${mostVcpus},cores=1,threads=1`],
    ...['-pidfile', FILES.pid],
    // Paused until it is told to go on: what is recorded of it comes first.
    ...(incoming ? ['-S', '-incoming', incoming] : []),
    ...['-chardev', `file,id=console,path=${FILES.console},append=on`, '-serial', 'chardev:console'],
    ...socket('qmp', FILES.qmp),
    ...['-mon', 'chardev=qmp,mode=control'],
    ...['-device', 'virtio-serial-pci,id=serial0'],
    ...socket(AGENT_CHARDEV, FILES.agent),
    ...['-device', `virtserialport,chardev=${AGENT_CHARDEV},name=org.qemu.guest_agent.0`],
    ...['-device', 'virtio-balloon-pci,id=balloon0'],
    ...(layout.diskMiB > 0 ? disk(image) : []),
    ...(layout.seed ? seed() : []),
    ...nics.flatMap((nic, i) => (taps[i] ? interfaceOf(nic, i, taps[i]) : [])),
    ...(image.kind === 'kernel'
      ? ['-kernel', image.kernel, '-initrd', image.initrd, '-append', KERNEL_PARAMETERS]
      : []),
    ...context,
    ...layout.dimmsMiB.flatMap((mib, i) => [
      ...json('-object', dimmBackend(i, mib)),
      ...json('-device', dimmDevice(i)),
    ]),
    ...layout.pluggedVcpus.flatMap(({ driver, props }, i) =>
      json('-device', { driver, id: `cpu${i}`, ...props }),
    ),
  ];
}

/** Without a program to boot from it, which it would have to be given. */
const interfaceOf = ({ mac, mtu }: Nic, index: number, tap: string): string[] => [
  '-netdev',
  JSON.stringify({ type: 'tap', id: `net${index}`, ifname: tap, script: 'no', downscript: 'no' }),
  '-device',
  JSON.stringify({
    ...{ driver: 'virtio-net-pci', id: `eth${index}`, netdev: `net${index}` },
    ...{ mac, host_mtu: mtu, romfile: '' },
  }),
];

/** Each layer with its format said: none is ever guessed from what a guest may have written. */
function disk(image: QemuImage): string[] {
  const below = baseOf(image);
  const base = below
    ? {
        backing: {
          driver: below.format,
          'read-only': true,
          file: { driver: 'file', filename: below.path, 'read-only': true },
          ...(below.format === 'qcow2' ? { backing: null } : {}),
        },
      }
    : {};
  const node = {
    driver: 'qcow2',
    'node-name': DISK_NODE,
    discard: 'unmap',
    file: { driver: 'file', filename: FILES.disk, discard: 'unmap' },
    ...base,
  };
  return ['-blockdev', JSON.stringify(node), '-device', `virtio-blk-pci,id=vda,drive=${DISK_NODE}`];
}

/** The same bytes on each host that the machine comes to. */
function seed(): string[] {
  const node = {
    driver: 'raw',
    'node-name': 'seed0',
    'read-only': true,
    file: { driver: 'file', filename: FILES.seed, 'read-only': true },
  };
  return [
    ...['-blockdev', JSON.stringify(node)],
    ...['-device', `virtio-blk-pci,id=seed,drive=seed0,serial=${SEED_SERIAL}`],
  ];
}

export const dimmBackend = (index: number, mib: number) => ({
  'qom-type': 'memory-backend-ram',
  id: `mem${index}`,
  size: mib * BYTES_PER_MIB,
});
export const dimmDevice = (index: number) => ({
  driver: 'pc-dimm',
  id: `dimm${index}`,
  memdev: `mem${index}`,
});
