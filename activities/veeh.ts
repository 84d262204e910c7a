import { setTimeout as delay } from 'node:timers/promises';
import { CancelledFailure, Context } from '@temporalio/activity';
import { durationText } from '../domain/duration';
import { SluiceError } from '../domain/errors';
import type { HostId, VeeId } from '../domain/ids';
import { pinnedImage } from '../domain/images/reference';
import { leftUntil } from '../domain/migration/deadline';
import type { Capacity } from '../domain/units';
import type { StateVerb } from '../domain/vee/state-machine';
import type { DrainHook, Readiness } from '../domain/vee/vee';
import type {
  Driver,
  ImageSource,
  SendOptions,
  TransferOffer,
  VeeRef,
  VeeSpec,
  VeeStatus,
} from '../drivers/contract';
import { type CaptureDeps, createCaptureActivities } from './captures';
import { type ProvenVerb, proven } from './proven';
import { tellProgress } from './transfer-progress';

/** What a migration may take of the link, and of time. */
export type SendLimits = Pick<SendOptions, 'bandwidthKbps' | 'deadlineMillis'> & {
  /** Beside the usual time of a step. */
  readonly allowMillis?: number;
  /** When the deadline is over, whichever attempt it is; absent from site workers of earlier releases. */
  readonly deadlineAt?: number;
};

interface OnHost {
  readonly hostId: HostId;
  readonly ref: VeeRef;
}

/** `not-possible`: the VEE no longer runs, or its driver can't run anything inside it. */
export type DrainEnd = 'done' | 'failed' | 'timed-out' | 'not-possible';

const READY_POLL_MILLIS = 250;
/** A hook that takes too long is told as that, rather than as one that was killed. */
const EXEC_SLACK_MILLIS = 1_000;

/**
 * VEEH activities: one verb of one driver each. An agent may serve several hosts (a simulated site has one
 * agent for all), so each call names its host.
 */
export function createVeehActivities(
  drivers: ReadonlyMap<HostId, Driver>,
  images?: Pick<ImageSource, 'fetch'>,
  captures?: CaptureDeps,
) {
  function on(hostId: HostId): Driver {
    const driver = drivers.get(hostId);
    if (!driver) throw new SluiceError('not-found', `This agent does not serve ${hostId}.`);
    return driver;
  }

  /** Every verb goes this way: what its driver says of it is seen on the host before it is believed. */
  function act<T>({ hostId, ref }: OnHost, verb: ProvenVerb, by: (driver: Driver) => Promise<T>): Promise<T> {
    const driver = on(hostId);
    return proven(driver, verb, ref, () => by(driver), triedBefore());
  }

  /** Before the verb, which others that are about the same VEE wait for: an image may take long, an undo must not. */
  async function bring({ template }: VeeSpec): Promise<void> {
    const pinned = pinnedImage(template.image);
    if (pinned && images) await Promise.race([images.fetch(pinned), Context.current().cancelled]);
  }

  return {
    async defineVee({ hostId, spec }: { hostId: HostId; spec: VeeSpec }) {
      await bring(spec);
      return act({ hostId, ref: spec }, 'define', (driver) => driver.define(spec));
    },
    startVee: (call: OnHost) => act(call, 'start', (driver) => driver.start(call.ref)),
    stopVee: (call: OnHost & { graceMillis: number }) =>
      act(call, 'stop', (driver) => driver.stop(call.ref, call.graceMillis)),

    /**
     * Lets a VEE hand over what it is doing. It ends afterwards either way: a hook that fails, or takes longer than
     * it may, is told and not waited for.
     */
    async drainVee({ hostId, ref, drain }: OnHost & { drain: DrainHook }): Promise<DrainEnd> {
      const driver = on(hostId);
      if (!(await driver.fingerprint()).capabilities.exec) return 'not-possible';
      const late = delay(drain.timeoutMillis).then((): DrainEnd => 'timed-out');
      const ended = driver
        .exec(ref, drain.command, drain.timeoutMillis + EXEC_SLACK_MILLIS)
        .then(({ exitCode }): DrainEnd => (exitCode === 0 ? 'done' : 'failed'))
        .catch((error: unknown): DrainEnd => {
          if (error instanceof SluiceError && !error.retryable) return 'not-possible';
          throw error;
        });
      return Promise.race([ended, late]);
    },

    /** Ends it gracefully where it runs, then removes it. Fine when it is not there. */
    async destroyVee({ hostId, ref, graceMillis }: OnHost & { graceMillis: number }): Promise<void> {
      await act({ hostId, ref }, 'destroy', async (driver) => {
        const status = await driver.inspect(ref.veeId, false);
        if (status?.state === 'ACTIVE' && graceMillis > 0 && status.epoch === ref.epoch)
          await driver.stop(ref, graceMillis);
        await driver.destroy(ref);
      });
    },

    /** What the driver says now, as opposed to what was last reported. */
    inspectVee: async ({ hostId, veeId }: { hostId: HostId; veeId: VeeId }): Promise<VeeStatus | null> =>
      (await on(hostId).inspect(veeId)) ?? null,

    /**
     * Ends a copy that is too many, if it is still the one that was seen.
     * @returns false when another has come in its place, which is left alone
     */
    async endCopy({
      hostId,
      veeId,
      seenEpoch,
      epoch,
    }: {
      hostId: HostId;
      veeId: VeeId;
      seenEpoch: number;
      epoch: number;
    }): Promise<boolean> {
      const copy = await on(hostId).inspect(veeId);
      if (copy && copy.epoch !== seenEpoch) return false;
      await on(hostId).destroy({ veeId, epoch });
      return true;
    },

    /** @throws SluiceError `vee-not-ready` after the manifest's time, or at once when it has ended */
    async awaitReady({ hostId, ref, readiness }: OnHost & { readiness: Readiness }): Promise<void> {
      const driver = on(hostId);
      const [period, timeout] =
        readiness.kind === 'exec'
          ? [readiness.periodMillis, readiness.timeoutMillis]
          : [READY_POLL_MILLIS, 5_000];
      const context = Context.current();
      const until = Date.now() + timeout;
      for (;;) {
        const status = await driver.inspect(ref.veeId);
        if (status?.ready) return;
        if (!status || status.state === 'EXITED')
          throw new SluiceError(
            'vee-not-ready',
            `${ref.veeId} ended before it was ready.${await lastWords(driver, ref)}`,
          );
        if (Date.now() >= until)
          throw new SluiceError(
            'vee-not-ready',
            `${ref.veeId} was not ready after ${durationText(timeout)}.${await lastWords(driver, ref)}`,
          );
        await context.sleep(period);
      }
    },

    /** `ifPossible` is for undos: a VEE that is gone, or never came so far, needs none. */
    async changeVee({
      hostId,
      ref,
      verb,
      ifPossible = false,
    }: OnHost & { verb: StateVerb; ifPossible?: boolean }): Promise<void> {
      await unlessMoot(ifPossible, () => act({ hostId, ref }, verb, (driver) => driver[verb](ref)));
    },

    async resizeVee({
      hostId,
      ref,
      capacity,
      ifPossible = false,
      stopped = false,
    }: OnHost & { capacity: Capacity; ifPossible?: boolean; stopped?: boolean }): Promise<void> {
      const driver = on(hostId);
      if (!stopped && !(await driver.fingerprint()).capabilities.liveResize)
        throw new SluiceError('capability-missing', `The driver of ${hostId} can't resize a running VEE.`);
      await unlessMoot(ifPossible, () =>
        proven(driver, 'resize', { ...ref, capacity }, () => driver.resize(ref, capacity), triedBefore()),
      );
    },

    /** `fromHostId` and `toHostId`: a site worker of an earlier release does not tell them. */
    async prepareTarget({
      hostId,
      spec,
      fromHostId,
    }: {
      hostId: HostId;
      spec: VeeSpec;
      fromHostId?: HostId;
    }) {
      await bring(spec);
      return act({ hostId, ref: spec }, 'prepareTarget', (driver) => driver.prepareTarget(spec, fromHostId));
    },
    sendVee: async ({
      offer,
      stopAndCopy = false,
      toHostId,
      toEpoch,
      limits = {},
      ...call
    }: OnHost & {
      offer: TransferOffer;
      stopAndCopy?: boolean;
      toHostId?: HostId;
      toEpoch?: number;
      limits?: SendLimits | undefined;
    }): Promise<void> => {
      const context = Context.current();
      const { cancellationSignal: cancelled } = context;
      const { bandwidthKbps } = limits;
      const how: SendOptions = {
        ...{ stopAndCopy, cancelled, ...leftUntil(limits, Date.now()) },
        ...(bandwidthKbps === undefined ? {} : { bandwidthKbps }),
        ...(toHostId ? { to: toHostId } : {}),
        ...(toEpoch === undefined ? {} : { toEpoch }),
        onProgress: (progress) => tellProgress(context, call.ref.veeId, progress),
      };
      try {
        await act(call, 'send', (driver) => driver.send(call.ref, offer, how));
      } catch (error) {
        if (cancelled.aborted) throw new CancelledFailure('It was cancelled on the way.');
        throw error;
      }
    },
    switchOver: (call: OnHost) => act(call, 'switchOver', (driver) => driver.switchOver(call.ref)),
    finishMigration: (call: OnHost) => act(call, 'finish', (driver) => driver.finish(call.ref)),

    /** @param call `of`: which migration, by the epoch of its target; a site worker of an earlier release does not tell it */
    async cancelMigration(call: OnHost & { side: 'source' | 'target'; of?: number }): Promise<void> {
      const { ref, side, of } = call;
      await act(call, `cancel ${side}`, (driver) => driver.cancel(ref, side, of));
    },

    ...createCaptureActivities(on, captures),

    readLogs: ({ hostId, veeId, tailLines }: { hostId: HostId; veeId: VeeId; tailLines: number }) =>
      on(hostId).logs(veeId, tailLines),
  };
}

/** Then it may have been done, and the answer lost. */
const triedBefore = () => Context.current().info.attempt > 1;

/** The undo takes the console with it, so the error keeps the end of it: it is the tenant's own output. */
async function lastWords(driver: Driver, { veeId }: VeeRef): Promise<string> {
  const lines = await driver.logs(veeId, 5).catch(() => []);
  return lines.length === 0 ? ' It wrote nothing.' : ` Its last words: ${lines.join(' | ').slice(-500)}`;
}

/** An undo of something that never came so far, or is gone, has nothing to do. */
async function unlessMoot(ifPossible: boolean, verb: () => Promise<void>): Promise<void> {
  try {
    await verb();
  } catch (error) {
    const moot =
      error instanceof SluiceError &&
      ['not-found', 'transition-illegal', 'capability-missing'].includes(error.code);
    if (!ifPossible || !moot) throw error;
  }
}
