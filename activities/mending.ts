import { SluiceError } from '../domain/errors';
import { agentTaskQueue, type HostId, type OperationId, type VeeId } from '../domain/ids';
import { Copies, hasRun, runs } from '../domain/reconcile/copies';
import { inPlace } from '../domain/reconcile/in-place';
import { type MendingVerb, STARTING_VERBS } from '../domain/reconcile/model';
import type { Capacity } from '../domain/units';
import type { VeeRecord } from '../domain/vee/vee';
import type { VeeStatus } from '../drivers/contract';
import { hostOf } from '../store/snapshot';
import { licencesOf, shortLicence, tenancyOf } from './decide';
import type { SiteDeps } from './deps';

interface OnVee {
  readonly operationId: OperationId;
  readonly veeId: VeeId;
}

export interface Mending {
  /** Absent when the host is as recorded already. */
  readonly verb?: MendingVerb;
  readonly capacity: Capacity;
}

/** What the driver of one host says when it is asked, or that it has no such VEE. */
export type Seen = VeeStatus | null;

/**
 * Activities of the operations that bring a record and its hosts together. They decide anew, under the VEE's lock, by
 * what the hosts say when they are asked: the look that led to them may be a minute old.
 */
export function createMendingActivities(deps: SiteDeps) {
  const { store } = deps;

  async function veeOf(id: VeeId): Promise<VeeRecord> {
    const vee = await store.vees.get(id);
    if (!vee) throw new SluiceError('not-found', `There is no VEE ${id}.`);
    return vee;
  }

  return {
    /** @throws SluiceError `conflict` when it can't be mended where it is, or not now */
    async planMending({ veeId, seen }: OnVee & { seen: Seen }): Promise<Mending> {
      const vee = await veeOf(veeId);
      const { capacity } = vee.template;
      if (seen?.epoch !== vee.epoch)
        throw new SluiceError(
          'conflict',
          `${vee.hostId} has ${seen ? `epoch ${seen.epoch}` : 'no trace'} of ${veeId}, recorded at ${vee.epoch}.`,
        );
      const host = await hostOf(store, vee.hostId);
      const judged = inPlace({ state: vee.state, capacity }, seen, host.fingerprint.capabilities);
      if (judged.kind === 'as-recorded') return { capacity };
      if (judged.kind === 'report') throw new SluiceError('conflict', `${veeId}: ${judged.because}.`);
      if (STARTING_VERBS.includes(judged.verb)) {
        const obstacle = await startObstacle(vee);
        if (obstacle) throw new SluiceError('conflict', `${veeId} is not started: ${obstacle}.`);
      }
      return { verb: judged.verb, capacity };
    },

    /** Gives the lock back, and tells what was done. */
    async concludeMending({ operationId, veeId, verb }: OnVee & { verb?: MendingVerb }): Promise<void> {
      const vee = await veeOf(veeId);
      await store.vees.abandonTransitions([veeId], operationId, deps.now());
      if (!verb) return;
      const { component, index, hostId, state, tenantId, serviceId } = vee;
      await store.events.append({
        id: `${operationId}/${veeId}/mended`,
        at: deps.now(),
        kind: 'vee.mended',
        message: `${component}/${index} is ${state} on ${hostId} again, as recorded: ${verb}`,
        tenantId,
        serviceId,
        subject: veeId,
        operationId,
      });
    },

    async agentOf({ hostId }: { hostId: HostId }): Promise<string> {
      const host = await hostOf(store, hostId);
      return agentTaskQueue(host.siteId, host.agentId);
    },

    /**
     * May the move that a copy elsewhere stands for be recorded? Not unless that copy has run and the one that is
     * recorded does not.
     * @throws SluiceError `conflict`
     */
    async planAdoption({
      veeId,
      toHostId,
      recorded,
      found,
    }: OnVee & { toHostId: HostId; recorded: Seen; found: Seen }): Promise<{ epoch: number }> {
      const vee = await veeOf(veeId);
      const refuse = (why: string) => new SluiceError('conflict', `${veeId} is not adopted: ${why}.`);
      if (!found || !hasRun(found)) throw refuse(`${toHostId} has no copy that has run`);
      if (found.epoch < vee.epoch)
        throw refuse(`epoch ${found.epoch} on ${toHostId} is older than ${vee.epoch}`);
      if (vee.hostId !== toHostId && recorded && runs(recorded)) throw refuse(`it runs on ${vee.hostId}`);
      if (vee.state !== 'ACTIVE') throw refuse(`it is recorded ${vee.state}`);
      return { epoch: found.epoch };
    },

    /** Capacity for what is there already: what a migration has taken and left counts. */
    async holdPlace({ operationId, veeId, hostId }: OnVee & { hostId: HostId }): Promise<void> {
      const [vee, host] = [await veeOf(veeId), await hostOf(store, hostId)];
      if (host.reservations[veeId]) return;
      const need = new Map([[veeId as string, vee.template.capacity]]);
      const licences = licencesOf([{ id: veeId, licences: vee.template.licences }]);
      // It is there already, beside whom it is.
      const tenancy = { ...(await tenancyOf(store, vee)), others: [], licences };
      if (await store.hosts.reserve(hostId, operationId, need, deps.now(), tenancy)) return;
      const short = await shortLicence(store, new Map([[hostId, need]]), licences);
      throw new SluiceError(
        'placement-infeasible',
        short === undefined
          ? `${hostId} runs ${veeId}, but has no room for it on record or is cordoned: make room, or uncordon it.`
          : `${hostId} runs ${veeId}, but its licences are short: ${short}.`,
      );
    },
  };

  /** The lock has touched the record, and no host can have spoken since: when it was last changed says nothing here. */
  async function startObstacle(vee: VeeRecord): Promise<string | undefined> {
    return new Copies({ hosts: await store.hosts.all() }).startObstacle({ ...vee, updatedAt: 0 });
  }
}
