import type { HostFingerprint } from '../domain/host';
import type { HostId, ServiceId, TenantId, VeeId } from '../domain/ids';
import type { PinnedImage } from '../domain/images/reference';
import type { WarmFacts } from '../domain/images/warm';
import type { Counters } from '../domain/measured';
import type { Escalation } from '../domain/migration/escalation';
import type { NetworkAttachment } from '../domain/network/attachment';
import type { Capacity } from '../domain/units';
import type { VeeTemplate } from '../domain/vee/vee';
import type { DeviceNumbers, HostDevices } from './lib/device-numbers';
import type { HostIdentity } from './lib/host-identity';
import type { Reserve } from './lib/machine-facts';
import type { NameSource, NetworkConfig } from './network/config';

/**
 * What every virtualisation technology has to offer to be a VEE host (RESERVOIR's VHI, made independent of
 * the technology). `test/drivers/contract-suite.ts` is its executable form: a driver that passes is a driver.
 *
 * Rules that hold for every verb:
 *  - **Idempotent.** Asking for what is already so succeeds and changes nothing.
 *  - **Fenced.** A call carries the epoch it acts for; one older than the driver knows for that VEE throws
 *    `epoch-fenced`. So a copy that was superseded while its host was cut off can't come back.
 *  - **Typed errors.** Only `SluiceError`: `transition-illegal`, `not-found`, `capability-missing`,
 *    `image-unknown`, `driver-failed` (may pass) or `driver-refused` (will not).
 *  - **Nothing twice.** A device is given to one VEE at a time, and by number; what is told of it survives the agent.
 *  - **Survives its agent.** VEEs go on running when the agent dies; `recover` finds them again.
 */
export interface Driver {
  readonly name: string;
  fingerprint(): Promise<HostFingerprint>;

  define(spec: VeeSpec): Promise<void>;
  start(ref: VeeRef): Promise<void>;
  pause(ref: VeeRef): Promise<void>;
  resume(ref: VeeRef): Promise<void>;
  suspend(ref: VeeRef): Promise<void>;
  restore(ref: VeeRef): Promise<void>;
  /**
   * Puts what runs, or is suspended, into an empty folder as the parts of a warm image (`domain/images/warm.ts`); it goes
   * on, or stays as it was. Only where the driver names `registry:warm-…` among its images.
   */
  capture?(ref: VeeRef, into: string): Promise<WarmFacts>;
  /** Ends it and keeps its disk: back to DEFINED. Killed after the grace time. */
  stop(ref: VeeRef, graceMillis: number): Promise<void>;
  /** Ends it and removes everything; a newer epoch than the running one is taken and fences the older. */
  destroy(ref: VeeRef): Promise<void>;
  /** Of a stopped VEE always, of a running one where the driver has `liveResize`. */
  resize(ref: VeeRef, capacity: Capacity): Promise<void>;

  /** Asks the VEE whether it is ready only if `probe`, which may take long; without it `ready` says nothing. */
  inspect(veeId: VeeId, probe?: boolean): Promise<VeeStatus | undefined>;
  list(): Promise<VeeStatus[]>;
  /**
   * What has been used so far by those named, which it has just listed, as two readings tell what is in use; nothing where
   * it is not known. Asked with every heartbeat.
   */
  measure(veeIds: readonly VeeId[]): Promise<Measurement | undefined>;
  logs(veeId: VeeId, tailLines: number): Promise<string[]>;
  /** Runs a command inside a running VEE, for `timeoutMillis` (10 s) at most. */
  exec(ref: VeeRef, command: readonly string[], timeoutMillis?: number): Promise<ExecResult>;

  /** After a restart of the agent: adopt what runs, end what is superseded, keep what does not answer. */
  recover(): Promise<RecoveryReport>;

  /** Migration, in phases. Up to `switchOver` the source can go on; `cancel` on both sides makes it so. */
  /** @param from the host that it comes from; undefined when the site does not say, as one of an earlier release does */
  prepareTarget(spec: VeeSpec, from?: HostId): Promise<TransferOffer>;
  /** Moves the VEE's state; when it returns the source copy no longer runs. */
  send(ref: VeeRef, offer: TransferOffer, how?: SendOptions): Promise<void>;
  switchOver(ref: VeeRef): Promise<void>;
  /** On the source: `epoch` is the target's, so whatever is left here is superseded and removed. */
  finish(ref: VeeRef): Promise<void>;
  /**
   * Nothing to cancel is a success: an undo may come before, or long after, what it undoes. The source goes on: whoever asks
   * it to has first made sure that its target is gone.
   * @param of on the source, which migration: the epoch of its target. One that a later `send` has superseded is
   * `epoch-fenced`; undefined from a site worker of an earlier release
   */
  cancel(ref: VeeRef, side: 'source' | 'target', of?: number): Promise<void>;

  /** Where the hosts are that networks reach, by the addresses of the underlay. Only where it has the capability. */
  setPeers?(underlayAddresses: readonly string[]): Promise<void>;

  close(): Promise<void>;
}

export interface VeeRef {
  readonly veeId: VeeId;
  readonly epoch: number;
}

export interface VeeSpec extends VeeRef {
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly index: number;
  readonly template: VeeTemplate;
  /** The same for its whole life, wherever it is; absent where it is on none. */
  readonly networks?: readonly NetworkAttachment[];
}

/**
 * A driver's own view. `INCOMING` and `OUTGOING` are the two ends of a migration before it is decided;
 * neither runs. `EXITED` ended by itself.
 */
export type DriverState = 'DEFINED' | 'ACTIVE' | 'PAUSED' | 'SUSPENDED' | 'INCOMING' | 'OUTGOING' | 'EXITED';

export interface VeeStatus extends VeeRef {
  readonly state: DriverState;
  readonly ready: boolean;
  readonly capacity: Capacity;
  readonly devices?: DeviceNumbers;
  readonly pid?: number;
}

export interface Measurement {
  /** All of the host, whoever uses it; absent where only its VEEs are known of. */
  readonly host?: Counters;
  readonly vees: ReadonlyMap<VeeId, Counters>;
  /** At which rate VEEs write their memory, kbit/s, where it is known. */
  readonly dirtyKbps?: ReadonlyMap<VeeId, number>;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
}

/** How far a transfer is, as it is told while it goes on. */
export interface TransferProgress {
  readonly phase: 'disk' | 'memory' | 'switch-over';
  readonly sentBytes: number;
  /** As it is now: what is written meanwhile comes on top. */
  readonly remainingBytes: number;
  readonly bytesPerSecond: number;
  readonly dirtyBytesPerSecond?: number;
  /** About; absent where it would not end like this. */
  readonly remainingMillis?: number;
  /** What was done so that its deadline is met. */
  readonly escalation: Escalation;
}

export interface SendOptions {
  /** No more than that is sent, as far as the driver can see to it. */
  readonly bandwidthKbps?: number;
  /** What runs is slowed down, then stilled, so that all is sent so long after it began; what is moved cold is still already. */
  readonly deadlineMillis?: number;
  /** Aborted when it is not wanted any more: it ends soon, with an error, and what is moved is where it was, as after a failure. */
  readonly cancelled?: AbortSignal;
  /** Told now and then. */
  readonly onProgress?: (progress: TransferProgress) => void;
  /** The epoch of the target's copy. When it was sent with a newer one, this is `epoch-fenced`. */
  readonly toEpoch?: number;
  /** The host that it is for: no other is sent anything. */
  readonly to?: HostId;
  /** Still it before its memory is sent: slower to notice for its users, sooner done. Moot for a driver that moves it cold. */
  readonly stopAndCopy?: boolean;
}

/** Where the target waits for the state. Its meaning is the driver's; it is small and holds no secret for long. */
export interface TransferOffer {
  readonly address: string;
  readonly token: string;
  /** It is encrypted, and who waits there proves to be this host; absent from agents of earlier releases. */
  readonly secured?: { readonly hostId: HostId };
}

export interface RecoveryReport {
  readonly adopted: readonly VeeId[];
  /** Provably ours and superseded or empty: removed. */
  readonly ended: readonly VeeId[];
  /** Did not answer: kept, for unknown is not dead. */
  readonly unknown: readonly VeeId[];
}

/** What an image unpacks to. */
export interface UnpackedImage {
  /** The folder, which nobody writes to. */
  readonly path: string;
  readonly bytes: number;
  /** What it starts when nobody says otherwise; absent where it does not tell. */
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
}

/**
 * Unpacks an image into a folder.
 * @param room has to be asked before anything is written: for so many bytes more. It throws where there is none
 */
export type Unpack = (
  blobPath: string,
  into: string,
  room: (bytes: number) => Promise<void>,
) => Promise<Omit<UnpackedImage, 'path'>>;

/** Images of the registry, brought to this host when they are first needed and proven to be what their digest says. */
export interface ImageSource {
  /** Brings it here, if it is not. @throws SluiceError as `link` does */
  fetch(image: PinnedImage): Promise<void>;
  /**
   * Puts the image's content at `path`, unless it is there. For as long as the file is there, the content stays.
   * @throws SluiceError `image-unknown`, `driver-failed` (may pass) or `driver-refused`
   */
  link(image: PinnedImage, path: string): Promise<void>;
  /** The same, and unpacked once for all VEEs of this host. */
  unpacked(image: PinnedImage, path: string, unpack: Unpack): Promise<UnpackedImage>;
}

export interface DriverConfig {
  readonly hostId: HostId;
  /** Everything the driver keeps lives below; it belongs to this host alone. */
  readonly dataDir: string;
  /** Upper bound of what the host offers; the driver may find less. */
  readonly capacity?: Capacity;
  /** Where no capacity is said: what the machine keeps for itself of all that it has. */
  readonly reserve?: Reserve;
  /** Those that VEEs are given, each to one at a time. */
  readonly devices?: HostDevices;
  /** Who this host is to others; without it what migrates travels readable, from and to whoever knows the token. */
  readonly identity?: HostIdentity;
  /** How it is on networks; without it, no VEE of it is. */
  readonly network?: NetworkConfig;
  /** What VEEs are called there; without it, nothing on its networks answers for names. */
  readonly names?: NameSource;
  /** Where images of the registry come from; a driver without it has only its own. */
  readonly images?: ImageSource;
  /** Where other hosts reach this one for a transfer; this machine alone when left out. */
  readonly transferAddress?: string;
}
