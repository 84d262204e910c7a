import type { HostEconomy } from './cost/host-economy';
import type { AgentId, HostId, LeaseId, OperationId, ServiceId, SiteId, TenantId, VeeId } from './ids';
import type { HostLoad, Usage } from './measured';
import type { Promised } from './placement/promised';
import { type BasicDimension, type Capacity, type Devices, DIMENSIONS } from './units';
import type { VeeState, VeeVerb } from './vee/state-machine';

/** What a driver can do; whatever is false is refused at plan time, not discovered half-way. */
export interface DriverCapabilities {
  readonly pause: boolean;
  readonly suspend: boolean;
  readonly liveResize: boolean;
  /** `live` keeps memory, `cold` stops and starts again with the VEE's disk, `none` can't move. */
  readonly migration: 'live' | 'cold' | 'none';
  readonly exec: boolean;
  readonly logs: boolean;
  /** Are the capacity limits enforced by the platform? */
  readonly enforces: { readonly cpu: boolean; readonly memory: boolean; readonly disk: boolean };
  /** Does it connect VEEs to networks? Absent where not, and from agents that are older than this. */
  readonly networks?: boolean | undefined;
  /** Does it give VEEs their files, keys and user data, and resolve what values refer to? Absent where not, and from older agents. */
  readonly context?: boolean | undefined;
}

export interface HostFingerprint {
  readonly driver: string;
  /** One sentence a person can read: what runs VEEs here, and whether it is real. */
  readonly description: string;
  readonly real: boolean;
  readonly capabilities: DriverCapabilities;
  readonly capacity: Capacity;
  /** What it has of CPU and memory where it gives out more; absent where it doesn't, and from agents that are older than this. */
  readonly physical?: Usage | undefined;
  readonly images: readonly string[];
  readonly attributes: Readonly<Record<string, string>>;
}

/** How many times what a host has is given to VEEs, by dimension: 1 where nothing is said. A device is given once. */
export type Overcommit = Readonly<Partial<Record<BasicDimension, number>>>;

/** As if a host had so many times what it has; what it really has is kept among its attributes. */
export function overcommitted(fingerprint: HostFingerprint, factors: Overcommit): HostFingerprint {
  const given = DIMENSIONS.flatMap((d) => (factors[d] === undefined ? [] : [[d, factors[d]] as const]));
  const { cpuMillis, memoryMiB } = fingerprint.capacity;
  return {
    ...fingerprint,
    ...(factors.cpuMillis || factors.memoryMiB ? { physical: { cpuMillis, memoryMiB } } : {}),
    capacity: {
      ...fingerprint.capacity,
      ...Object.fromEntries(given.map(([d, factor]) => [d, Math.floor(fingerprint.capacity[d] * factor)])),
    },
    attributes: {
      ...fingerprint.attributes,
      ...Object.fromEntries(given.map(([d]) => [`physical.${d}`, String(fingerprint.capacity[d])])),
    },
  };
}

/** With the devices that its settings say it has: no driver looks for any. */
export const withDevices = (fingerprint: HostFingerprint, devices: Devices): HostFingerprint =>
  Object.keys(devices).length === 0
    ? fingerprint
    : { ...fingerprint, capacity: { ...fingerprint.capacity, devices } };

/** Capacity held on a host for one VEE, under the id of the operation that took it. */
export interface Reservation {
  readonly operationId: string;
  readonly amount: Capacity;
  readonly since: number;
  /** Whose it is. Absent in what earlier releases have reserved. */
  readonly tenantId?: TenantId;
  /** Names of those that it takes; absent where it takes none. */
  readonly licences?: readonly string[];
  /** When it is given back at the latest; absent where that is open. */
  readonly freeAt?: number;
  /** It uses what is promised to that one. */
  readonly leaseId?: LeaseId;
}

/** `EXITED` ended by itself; `INCOMING` and `OUTGOING` are the two ends of a migration that is not decided: neither runs. */
export type ReportedState = VeeState | 'EXITED' | 'INCOMING' | 'OUTGOING';

/** What a host's driver says it runs. */
export interface ReportedVee {
  readonly veeId: string;
  readonly epoch: number;
  readonly state: ReportedState;
  /** Absent in reports of agents that are older than this. */
  readonly capacity?: Capacity | undefined;
  /** Absent where it is not measured. */
  readonly used?: Usage | undefined;
  /** At which rate it writes its memory, kbit/s; absent where it is not measured. */
  readonly dirtyKbps?: number | undefined;
}

export type HostLiveness = 'up' | 'suspect' | 'lost';

/** That a host which fell silent was kept from running anything of ours on, and how. */
export interface Fencing {
  readonly at: number;
  /** `command`: the plug-in cut it off; `operator`: a person vouched for it; `epoch`: only what it does late is refused. */
  readonly by: 'command' | 'operator' | 'epoch';
  readonly operationId: OperationId;
}

/** That a host is being emptied, or has been, for maintenance; and what left it for that, to be brought back. */
export interface Maintenance {
  readonly operationId: OperationId;
  readonly since: number;
  readonly drained: boolean;
  /** Was it cordoned before, or has somebody asked for that since? A drain that is cancelled leaves it so. */
  readonly cordonedBefore: boolean;
  readonly left: readonly DepartedVee[];
  /** The maintenance that it was in already when this one began: a drain that is cancelled goes back to it. */
  readonly former?: Maintenance | null;
}

export interface DepartedVee {
  readonly veeId: VeeId;
  readonly serviceId: ServiceId;
  /** The epoch that it left for: a VEE that has moved again since has another. */
  readonly epoch: number;
}

export interface HostRecord extends HostEconomy {
  readonly id: HostId;
  readonly siteId: SiteId;
  readonly zone: string;
  readonly agentId: AgentId;
  /** Where other hosts send it what belongs to networks; absent where it takes part in none with other machines. */
  readonly underlayAddress?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fingerprint: HostFingerprint;
  readonly liveness: HostLiveness;
  readonly cordoned: boolean;
  readonly fenced?: Fencing | null;
  readonly maintenance?: Maintenance | null;
  readonly lastHeartbeatAt: number;
  readonly reservations: Readonly<Record<string, Reservation>>;
  readonly reserved: Capacity;
  /** Names of the licences that something there takes; absent where nothing does. */
  readonly licensed?: readonly string[];
  /** What is promised for a time, by lease; absent in records of earlier releases. */
  readonly promises?: Readonly<Record<string, Promised>>;
  readonly reported: readonly ReportedVee[];
  /** What is really in use of it; absent where it is not measured. */
  readonly measured?: HostLoad | null;
  /** When the driver was asked for `reported`: what was recorded later, it does not speak of. */
  readonly reportedAt: number;
  readonly generation: number;
  readonly joinedAt: number;
}

/** Silence tells only that a host did not answer; `lost` is a decision taken after a configured time. */
export interface LivenessPolicy {
  readonly suspectAfterMillis: number;
  readonly lostAfterMillis: number;
}

/**
 * Whether VEEs of a lost host are made anew elsewhere without being asked: `fenced` only where a fencing command sees
 * to it that they can't run twice, `always` also where only epochs do, `manual` never.
 */
export const RECOVERY_MODES = ['fenced', 'always', 'manual'] as const;
export type RecoveryMode = (typeof RECOVERY_MODES)[number];

/** Lost, and fenced since it was last heard of. */
export const isFenced = ({
  liveness,
  fenced,
  lastHeartbeatAt,
}: Pick<HostRecord, 'liveness' | 'fenced' | 'lastHeartbeatAt'>): boolean =>
  liveness === 'lost' && fenced != null && fenced.at >= lastHeartbeatAt;

/** In words: many zones are called `zone-1` and the like. */
export const describeZone = (zone: string): string => (zone.startsWith('zone') ? zone : `zone ${zone}`);

/** Does the driver offer what a verb on a running VEE needs? */
export function canDo(capabilities: DriverCapabilities, verb: VeeVerb): boolean {
  switch (verb) {
    case 'pause':
    case 'resume':
      return capabilities.pause;
    case 'suspend':
    case 'restore':
      return capabilities.suspend;
    case 'resize':
      return capabilities.liveResize;
    case 'migrate':
      return capabilities.migration !== 'none';
    default:
      return true;
  }
}
