import type { Capacity } from '../../domain/units';
import type { UnpackedImage, VeeSpec } from '../contract';
import type { DeviceNode } from './device-nodes';

const CPU_PERIOD_MICROS = 100_000;
/** Below this, the kernel refuses a quota. */
const LEAST_QUOTA_MICROS = 1_000;

export interface Limits {
  readonly memoryBytes: number;
  readonly cpuQuotaMicros: number;
  readonly cpuPeriodMicros: number;
}

export function limitsOf(capacity: Capacity): Limits {
  return {
    memoryBytes: capacity.memoryMiB * 1_048_576,
    cpuQuotaMicros: Math.max(LEAST_QUOTA_MICROS, (capacity.cpuMillis * CPU_PERIOD_MICROS) / 1_000),
    cpuPeriodMicros: CPU_PERIOD_MICROS,
  };
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DEFAULT_COMMAND = ['/bin/sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait $!; done'];
/** Servers expect to bind low ports; nothing else of root's powers is left to them. */
const KEPT = ['CAP_NET_BIND_SERVICE'];
const NAMESPACES = ['pid', 'network', 'ipc', 'uts', 'mount'];

export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

const scratch = (destination: string): Mount => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', 'nodev', 'mode=1777', 'size=16m'],
});

/** Where the parts of a VEE are on its host, and what it is given there. */
export interface BundleParts {
  readonly root: Omit<UnpackedImage, 'bytes'>;
  readonly dataDir: string;
  readonly cgroupPath: string;
  readonly environment: Readonly<Record<string, string>>;
  /** How it gets to see what it is told. */
  readonly context: readonly Mount[];
  readonly nodes: readonly DeviceNode[];
}

/** The OCI runtime configuration of a VEE: read-only root, its own `/data`, own namespaces, next to no capabilities. */
export function ociConfig(
  spec: VeeSpec,
  { root, dataDir, cgroupPath, environment: given, context, nodes }: BundleParts,
): unknown {
  const { template, component, index } = spec;
  const limits = limitsOf(template.capacity);
  const ofImage = (root.environment ?? []).map((e) => [
    e.slice(0, e.indexOf('=')),
    e.slice(e.indexOf('=') + 1),
  ]);
  const environment = { PATH, ...Object.fromEntries(ofImage), ...given };
  return {
    ociVersion: '1.0.2',
    hostname: `${component}-${index}`,
    root: { path: root.path, readonly: true },
    process: {
      terminal: false,
      cwd: '/data',
      user: { uid: 0, gid: 0 },
      args: template.command.length > 0 ? template.command : (root.command ?? DEFAULT_COMMAND),
      env: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
      capabilities: { bounding: KEPT, effective: KEPT, inheritable: [], permitted: KEPT, ambient: [] },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 4_096, soft: 1_024 }],
      noNewPrivileges: true,
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'strictatime', 'mode=755', 'size=64k'],
      },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
      },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
      {
        destination: '/sys/fs/cgroup',
        type: 'cgroup',
        source: 'cgroup',
        options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'],
      },
      scratch('/tmp'),
      scratch('/run'),
      { destination: '/data', type: 'bind', source: dataDir, options: ['rbind', 'rw', 'nosuid', 'nodev'] },
      ...context,
    ] satisfies Mount[],
    linux: {
      cgroupsPath: cgroupPath,
      devices: nodes.map((node) => ({ ...node, fileMode: 0o660, uid: 0, gid: 0 })),
      namespaces: NAMESPACES.map((type) => ({ type })),
      maskedPaths: ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware'],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
      resources: {
        devices: [
          { allow: false, access: 'rwm' },
          ...nodes.map(({ type, major, minor }) => ({ allow: true, access: 'rw', type, major, minor })),
        ],
        memory: { limit: limits.memoryBytes },
        cpu: { quota: limits.cpuQuotaMicros, period: limits.cpuPeriodMicros },
        pids: { limit: 512 },
      },
    },
  };
}
