import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import type { DriverState, VeeRef, VeeSpec, VeeStatus } from '../contract';
import { readJson, stampOf, writeJson, writeJsonUnsynced } from './atomic-file';
import { devicesFor, type GivenDevices, type HostDevices } from './device-numbers';

/** What a driver keeps on disk for one VEE: enough to find it again after any crash. No devices where it needs none. */
export interface KeptVee extends GivenDevices {
  readonly spec: VeeSpec;
  readonly state: DriverState;
  /** The newest epoch that it has been sent to a target with; absent unless that was said. */
  readonly sentAs?: number;
}

/** What a driver tells of a VEE that it keeps. */
export function statusOf({ spec, state, devices }: KeptVee, ready: boolean, pid?: number): VeeStatus {
  const { veeId, epoch, template } = spec;
  const { capacity } = template;
  return { veeId, epoch, state, ready, capacity, ...(devices ? { devices } : {}), ...(pid ? { pid } : {}) };
}

interface Fence {
  readonly epoch: number;
  /** This epoch itself was destroyed here, so it may not be defined again. */
  readonly destroyed: boolean;
}

/**
 * The part that every driver has in common: one folder a VEE, fencing by epoch, one verb at a time for each
 * VEE. Fences outlive the VEE they guard: a late `define` of something long destroyed must still be refused.
 */
export class VeeRecords {
  private readonly veesDir: string;
  private readonly fencesDir: string;
  private readonly write: (path: string, value: unknown) => Promise<void>;
  private given: Promise<void> = Promise.resolve();
  private readonly queues = new Map<string, Promise<unknown>>();
  /** As last read. What is on disk counts, whoever wrote it: it is read again when its file is another than it was. */
  private readonly known = new Map<VeeId, { readonly stamp: string; readonly vee: KeptVee }>();

  /** @param dataDir where all is kept. @param outlivesMachine must it be there after a power cut, too? */
  constructor(dataDir: string, outlivesMachine = true) {
    this.write = outlivesMachine ? writeJson : async (path, value) => writeJsonUnsynced(path, value);
    this.veesDir = join(dataDir, 'vees');
    this.fencesDir = join(dataDir, 'fences');
  }

  async open(): Promise<void> {
    await mkdir(this.veesDir, { recursive: true });
    await mkdir(this.fencesDir, { recursive: true });
  }

  folder(veeId: VeeId): string {
    return join(this.veesDir, veeId);
  }

  /** Not to be changed by who gets it. */
  async get(veeId: VeeId): Promise<KeptVee | undefined> {
    const path = join(this.folder(veeId), 'vee.json');
    // Before it is read: what is written in between is then read again.
    const stamp = stampOf(path);
    const known = this.known.get(veeId);
    if (stamp !== undefined && known?.stamp === stamp) return known.vee;
    const vee = stamp === undefined ? undefined : await readJson<KeptVee>(path);
    if (stamp !== undefined && vee) this.known.set(veeId, { stamp, vee });
    else this.known.delete(veeId);
    return vee;
  }

  put(vee: KeptVee): Promise<void> {
    return this.write(join(this.folder(vee.spec.veeId), 'vee.json'), vee);
  }

  /**
   * Makes a VEE with devices that no other has, one VEE after the other.
   * @param write the last of what it writes is the record: what is not recorded has been given nothing
   */
  async giving(
    { veeId, template }: VeeSpec,
    host: HostDevices,
    write: (given: GivenDevices) => Promise<void>,
  ): Promise<void> {
    const wanted = template.capacity.devices;
    if (!wanted) return write({});
    const give = async () => {
      const others = (await this.all()).filter((v) => v.spec.veeId !== veeId);
      await write(devicesFor(wanted, host, others));
    };
    const mine = this.given.then(give);
    this.given = mine.catch(() => undefined);
    await mine;
  }

  async remove(veeId: VeeId): Promise<void> {
    this.known.delete(veeId);
    await rm(this.folder(veeId), { recursive: true, force: true });
  }

  /**
   * Takes away what is left of VEEs that were never recorded, or are no more: an agent died in between. Nothing ran from
   * it, and it would hold its image for ever. For an agent's begin, before anything is asked of it.
   */
  async sweep(): Promise<void> {
    for (const veeId of (await readdir(this.veesDir)) as VeeId[])
      await this.exclusively(veeId, async () => {
        if (stampOf(join(this.folder(veeId), 'vee.json')) === undefined) await this.remove(veeId);
      });
  }

  async all(): Promise<KeptVee[]> {
    const ids = (await readdir(this.veesDir)) as VeeId[];
    const kept = await Promise.all(ids.map((id) => this.get(id)));
    return kept.filter((v) => v !== undefined);
  }

  /** Runs one verb at a time for each VEE, in order of arrival. */
  async exclusively<T>(veeId: VeeId, verb: () => Promise<T>): Promise<T> {
    const before = this.queues.get(veeId) ?? Promise.resolve();
    const mine = before.then(verb, verb);
    const settled = mine.catch(() => undefined);
    this.queues.set(veeId, settled);
    try {
      return await mine;
    } finally {
      if (this.queues.get(veeId) === settled) this.queues.delete(veeId);
    }
  }

  /**
   * @returns what there is of the VEE
   * @throws SluiceError `epoch-fenced` when a newer epoch is known, or this one was destroyed here
   */
  async checkFence({ veeId, epoch }: VeeRef, making = false): Promise<KeptVee | undefined> {
    const fence = await readJson<Fence>(this.fencePath(veeId));
    const vee = await this.get(veeId);
    const known = Math.max(fence?.epoch ?? 0, vee?.spec.epoch ?? 0);
    const dead = making && fence?.destroyed === true && epoch <= fence.epoch;
    if (epoch < known || dead)
      throw new SluiceError(
        'epoch-fenced',
        `${veeId}: epoch ${epoch} is superseded by ${known} on this host.`,
      );
    return vee;
  }

  raiseFence({ veeId, epoch }: VeeRef, destroyed: boolean): Promise<void> {
    return this.write(this.fencePath(veeId), { epoch, destroyed } satisfies Fence);
  }

  /** The record a verb acts on, fence checked. @throws SluiceError `epoch-fenced`, `not-found` */
  async acting(ref: VeeRef): Promise<KeptVee> {
    const vee = await this.checkFence(ref);
    if (!vee) throw new SluiceError('not-found', `This host has no VEE ${ref.veeId}.`);
    if (ref.epoch !== vee.spec.epoch)
      throw new SluiceError(
        'driver-refused',
        `${ref.veeId} is here at epoch ${vee.spec.epoch}, not ${ref.epoch}.`,
      );
    return vee;
  }

  private fencePath(veeId: VeeId): string {
    return join(this.fencesDir, `${veeId}.json`);
  }
}

/**
 * @param epoch of the target's copy; undefined where nobody said so
 * @throws SluiceError `epoch-fenced` for a migration that a later one has superseded: its target may run by now
 */
export function requireLatest({ spec, sentAs }: KeptVee, epoch: number | undefined): void {
  if (epoch !== undefined && sentAs !== undefined && epoch < sentAs)
    throw new SluiceError(
      'epoch-fenced',
      `${spec.veeId}: its migration to epoch ${epoch} is superseded by the one to ${sentAs}.`,
    );
}

/** @throws SluiceError `transition-illegal`, unless the state is one that the verb starts from */
export function requireState(vee: KeptVee, verb: string, from: readonly DriverState[]): void {
  if (from.includes(vee.state)) return;
  throw new SluiceError(
    'transition-illegal',
    `${vee.spec.veeId} is ${vee.state}: ${verb} needs ${from.join(' or ')}.`,
  );
}

export const sentAs = (epoch: number | undefined): Pick<KeptVee, 'sentAs'> =>
  epoch === undefined ? {} : { sentAs: epoch };
