import type { OperationId, VeeId } from '../domain/ids';
import { inChunks } from '../domain/in-chunks';
import { hasEnded } from '../domain/operation/operation';
import { nextState, type VeeVerb } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import type { VeeCommit } from '../store/vee-commits';
import type { SiteDeps } from './deps';

/** So many VEEs go into one transaction: the server gives up on one that grows long. */
const MOST_IN_TRANSACTION = 100;

export interface VeeVerbOf {
  readonly veeId: VeeId;
  readonly verb: VeeVerb;
}

type Commit = Omit<VeeCommit, 'operationId' | 'now'>;

/**
 * What is recorded of VEEs, of one alone or of a batch: locks, states, the ledger, and what is told of it. Each
 * entry may be made again; none decides anything.
 */
export class VeeBook {
  private readonly deps: SiteDeps;

  constructor(deps: SiteDeps) {
    this.deps = deps;
  }

  async activate(operationId: OperationId, veeIds: readonly VeeId[]): Promise<void> {
    const vees = await this.commit(
      operationId,
      veeIds.map((veeId) => ({ veeId, step: 'activate', change: { state: 'ACTIVE' }, ledger: 'activated' })),
    );
    await this.tell(operationId, vees, (v) => ['activated', `${nameOf(v)} runs on ${v.hostId}`]);
  }

  /** Gives back what they hold, wherever: a migration that was given up may hold a place on another host. */
  async retire(operationId: OperationId, veeIds: readonly VeeId[]): Promise<void> {
    const vees = await this.commit(
      operationId,
      veeIds.map((veeId) => ({ veeId, step: 'retire', change: { state: 'DESTROYED' }, ledger: 'destroyed' })),
    );
    await this.deps.store.hosts.releaseAll(veeIds);
    await this.deps.store.addresses.release(veeIds, this.deps.now());
    await this.tell(operationId, vees, (v) => ['destroyed', `${nameOf(v)} ended on ${v.hostId}`]);
  }

  /** Closes what was metered of VEEs that are not to be; those that were never recorded need it not. */
  async discard(operationId: OperationId, veeIds: readonly VeeId[]): Promise<VeeRecord[]> {
    const recorded = await this.deps.store.vees.some(veeIds);
    const vees = await this.commit(
      operationId,
      recorded.map(({ id }) => ({
        veeId: id,
        step: 'discard',
        change: { state: 'DESTROYED' },
        ledger: 'destroyed',
      })),
    );
    // Addresses are taken before a VEE is recorded.
    await this.deps.store.addresses.release(veeIds, this.deps.now());
    return vees;
  }

  /** The same for VEEs that are given up while the rest of their blueprint stays: what they held is free again. */
  async giveUp(operationId: OperationId, veeIds: readonly VeeId[]): Promise<void> {
    const vees = await this.discard(operationId, veeIds);
    await this.deps.store.hosts.releaseAll(veeIds);
    await this.tell(operationId, vees, (v) => ['discarded', `${nameOf(v)} was given up`]);
  }

  lock(operationId: OperationId, wanted: readonly VeeVerbOf[]): Promise<VeeRecord[]> {
    const { store, now } = this.deps;
    const hasEndedById = async (id: OperationId) => {
      const holder = await store.operations.get(id);
      return holder === undefined || hasEnded(holder);
    };
    return store.vees.beginTransitions(wanted, operationId, now(), hasEndedById);
  }

  unlock(operationId: OperationId, veeIds: readonly VeeId[]): Promise<void> {
    return this.deps.store.vees.abandonTransitions(veeIds, operationId, this.deps.now());
  }

  async commitStates(operationId: OperationId, changes: readonly VeeVerbOf[]): Promise<void> {
    const verbs = new Map(changes.map((c) => [c.veeId, c.verb]));
    const vees = await this.commit(
      operationId,
      (await this.withRecords(changes)).map(({ veeId, verb, vee }) => ({
        veeId,
        step: verb,
        change: stateAfter(vee, verb),
        ledger: 'state',
      })),
    );
    await this.tell(operationId, vees, (v) => [`${verbs.get(v.id)}`, `${nameOf(v)}: ${verbs.get(v.id)}`]);
  }

  /** Undo of `commitStates`: only where this operation had come so far. */
  async revertStates(operationId: OperationId, changes: readonly VeeVerbOf[]): Promise<void> {
    const committed = (await this.withRecords(changes)).filter(
      ({ verb, vee }) =>
        vee && vee.transition?.operationId !== operationId && nextState(vee.state, verb) !== undefined,
    );
    await this.commit(
      operationId,
      committed.map(({ veeId, verb, vee }) => ({
        veeId,
        step: `revert ${verb}`,
        change: stateAfter(vee, verb),
        ledger: 'state',
      })),
    );
  }

  async commit(operationId: OperationId, commits: readonly Commit[]): Promise<VeeRecord[]> {
    const { store, now } = this.deps;
    const records: VeeRecord[] = [];
    for (const chunk of inChunks(commits, MOST_IN_TRANSACTION))
      records.push(...(await store.vees.commitAll(chunk.map((c) => ({ ...c, operationId, now: now() })))));
    return records;
  }

  /** @param words the kind of event, and what is told */
  async tell(
    operationId: OperationId,
    vees: readonly VeeRecord[],
    words: (vee: VeeRecord) => readonly [string, string],
  ): Promise<void> {
    const at = this.deps.now();
    await this.deps.store.events.appendAll(
      vees.map((vee) => {
        const [kind, message] = words(vee);
        const { id, tenantId, serviceId } = vee;
        return {
          id: `${operationId}/${id}/${kind}`,
          at,
          kind: `vee.${kind}`,
          message,
          tenantId,
          serviceId,
          subject: id,
          operationId,
        };
      }),
    );
  }

  private async withRecords(changes: readonly VeeVerbOf[]) {
    const records = await this.deps.store.vees.some(changes.map((c) => c.veeId));
    const byId = new Map(records.map((v) => [v.id, v]));
    return changes.map((c) => ({ ...c, vee: byId.get(c.veeId) }));
  }
}

const nameOf = (v: VeeRecord) => `${v.component}/${v.index}`;

function stateAfter(vee: VeeRecord | undefined, verb: VeeVerb): VeeCommit['change'] {
  const state = vee && nextState(vee.state, verb);
  return state ? { state } : {};
}
