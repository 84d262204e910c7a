import { Context, log } from '@temporalio/activity';
import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { isFenced } from '../domain/host';
import { makeOperationId } from '../domain/ids';
import { type OperationRecord, pendingOperation } from '../domain/operation/operation';
import type { SiteDeps } from './deps';

/** How often hosts are looked at, and how long one turn of the watch lasts. */
const PERIOD_MILLIS = 500;
const TURN_MILLIS = 600_000;
/** After a look that came so late, for the database was away or the process stood still, silence is counted anew. */
const BLIND_MILLIS = 2_000;
/** A request that was recorded so long ago and is still pending was never handed over. */
const HANDOVER_MILLIS = 5_000;

/** The site's watch: marks silent hosts, and hands over requests whose API process died half-way. */
export function createWatchActivities(deps: SiteDeps) {
  const { store } = deps;

  /** Who could not see for a while must not hold that against the hosts: their heartbeats had nowhere to go. */
  let seeingSince = deps.now();
  let lastLook = deps.now();

  async function look(): Promise<void> {
    const now = deps.now();
    if (now - lastLook > BLIND_MILLIS) seeingSince = now;
    const silent = await store.hosts.markSilent(now, seeingSince, deps.liveness);
    for (const { id, liveness } of silent)
      await store.events.append({
        id: `${id}/${liveness}/${now}`,
        at: now,
        kind: `host.${liveness}`,
        message: `${id} is ${liveness}: no heartbeat came`,
        subject: id,
        ...(liveness === 'lost' ? { alert: true as const } : {}),
      });
    await recoverLost(now);
    for (const operation of await store.operations.pendingSince(now - HANDOVER_MILLIS))
      await handOver(operation);
    await tellExited(now);
    lastLook = deps.now();
  }

  /** A host that is lost with VEEs on it is recovered once for each time that it fell silent, where that is allowed. */
  async function recoverLost(now: number): Promise<void> {
    if (deps.recovery === 'manual' || (deps.recovery === 'fenced' && !deps.fencing)) return;
    for (const host of await store.hosts.lost()) {
      if (isFenced(host)) continue;
      if ((await store.vees.find({ hostId: host.id, living: true })).length === 0) continue;
      const id = makeOperationId(derivedEntropy('recover', host.id, host.lastHeartbeatAt));
      const operation = await store.operations.create(
        pendingOperation({
          id,
          kind: 'host.recover',
          siteId: deps.siteId,
          hostId: host.id,
          params: {},
          cancellable: false,
          requestedBy: 'site',
          requestId: `lost-${host.lastHeartbeatAt}`,
          createdAt: now,
        }),
      );
      if (operation.state === 'pending') await handOver(operation);
    }
  }

  /** A VEE that ended by itself is told at once, and once for each time that it ran; it is drift, and mended as such. */
  async function tellExited(now: number): Promise<void> {
    for (const { vee, hostId } of await store.exitedVees())
      await store.events.append({
        id: `${vee.id}/${vee.generation}/exited`,
        at: now,
        kind: 'vee.exited',
        message: `${vee.component}/${vee.index} ended by itself on ${hostId}: sluice logs ${vee.id}`,
        tenantId: vee.tenantId,
        serviceId: vee.serviceId,
        subject: vee.id,
      });
  }

  /** One request that can't be handed over must not keep the others, nor the hosts, from being looked at. */
  async function handOver(operation: OperationRecord): Promise<void> {
    try {
      await deps.submit(operation);
    } catch (error) {
      if (!(error instanceof SluiceError))
        log.error('a recorded request could not be handed over', { id: operation.id, error });
      else if (!error.retryable && error.code !== 'operation-in-progress')
        await store.operations.refuse(operation.id, { code: error.code, detail: error.message }, deps.now());
    }
  }

  return {
    async watchSite(): Promise<void> {
      const context = Context.current();
      const until = deps.now() + TURN_MILLIS;
      // Another worker may have watched until now, or nobody.
      seeingSince = lastLook = deps.now();
      while (deps.now() < until && !context.cancellationSignal.aborted) {
        // Nothing that one look meets may end the watch: the next look may fare better.
        await look().catch((error) => log.warn('the site could not be looked at', { error }));
        await context.sleep(PERIOD_MILLIS);
      }
    },
  };
}
