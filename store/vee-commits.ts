import type { AnyBulkWriteOperation, Collection, MongoClient } from 'mongodb';
import type { LedgerEvent } from '../domain/accounting/ledger';
import { SluiceError } from '../domain/errors';
import type { HostId, OperationId, VeeId } from '../domain/ids';
import type { Capacity } from '../domain/units';
import type { VeeState } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import { fromStored, type Stored } from './documents';

/** Bookkeeping beside the record: where its ledger stands, and which commit was the last. */
export interface VeeBookkeeping {
  ledgerSeq: number;
  ledgerAt: number;
  lastCommit: string | null;
  /** The newest epoch handed out, and to which operation. */
  epochs: { last: number; operationId: string | null };
}
export type StoredVee = Stored<VeeRecord> & VeeBookkeeping;

export interface VeeChange {
  readonly state?: VeeState;
  readonly hostId?: HostId;
  readonly epoch?: number;
  readonly capacity?: Capacity;
}

export interface VeeCommit {
  readonly veeId: VeeId;
  readonly operationId: OperationId;
  /** What this commit is within its operation; with the operation's id it makes a repeat recognisable. */
  readonly step: string;
  readonly change: VeeChange;
  readonly ledger: LedgerEvent['kind'];
  readonly now: number;
}

export function plain(doc: StoredVee): VeeRecord {
  const { ledgerSeq: _seq, ledgerAt: _at, lastCommit: _last, epochs: _epochs, ...record } = doc;
  return fromStored<VeeRecord>(record);
}

/** What a commit changes in a VEE's document, and what it adds to the ledger. */
interface Effect {
  readonly veeId: VeeId;
  readonly set: Partial<StoredVee>;
  readonly entry: Stored<LedgerEvent> | undefined;
}

export function veeCommits(
  client: MongoClient,
  vees: Collection<StoredVee>,
  ledger: Collection<Stored<LedgerEvent>>,
) {
  return {
    /**
     * Commits an operation's results: records and ledger change in one transaction, once. The locks are given
     * back with it. Instants never run backwards along a VEE's ledger, whatever a clock does. A batch's commits
     * go together, since a transaction costs a server more than what is in it; if one is refused, none is made.
     * @param commits of different VEEs
     * @throws SluiceError `not-found`, or `conflict` when this operation does not hold the VEE
     */
    commitAll(commits: readonly VeeCommit[]): Promise<VeeRecord[]> {
      return client.withSession((session) =>
        session.withTransaction(async () => {
          const ids = commits.map((c) => c.veeId);
          const docs = await vees.find({ _id: { $in: ids } }, { session }).toArray();
          const written = await ledger
            .find(
              { veeId: { $in: ids }, operationId: { $in: commits.map((c) => c.operationId) } },
              { session },
            )
            .project<Pick<LedgerEvent, 'veeId' | 'operationId' | 'step'>>({
              veeId: 1,
              operationId: 1,
              step: 1,
            })
            .toArray();
          const current = new Map(docs.map((d) => [d._id, d]));
          const done = new Set(written.map((w) => `${w.veeId} ${w.operationId}/${w.step}`));
          const effects: Effect[] = [];
          const records = commits.map((commit) => {
            const doc = current.get(commit.veeId);
            if (!doc) throw new SluiceError('not-found', `There is no VEE ${commit.veeId}.`);
            const isDone = done.has(`${commit.veeId} ${keyOf(commit)}`);
            const effect = isDone ? undefined : effectOf(doc, commit);
            if (effect) effects.push(effect);
            return plain(effect ? { ...doc, ...effect.set } : doc);
          });
          const entries = effects.flatMap(({ entry }) => entry ?? []);
          if (entries.length > 0) await ledger.insertMany(entries, { session });
          if (effects.length > 0)
            await vees.bulkWrite(
              effects.map(
                ({ veeId, set }): AnyBulkWriteOperation<StoredVee> => ({
                  updateOne: { filter: { _id: veeId }, update: { $set: set } },
                }),
              ),
              { session, ordered: false },
            );
          return records;
        }),
      );
    },
  };
}

const keyOf = ({ operationId, step }: VeeCommit) => `${operationId}/${step}`;

/** @returns nothing when the VEE is as the commit would make it */
function effectOf(current: StoredVee, commit: VeeCommit): Effect | undefined {
  const { veeId, operationId, step, change, ledger: kind, now } = commit;
  const key = keyOf(commit);
  if (current.lastCommit === key) return undefined;
  if (current.state === 'DESTROYED' && kind === 'destroyed') return undefined;
  // Its own lock, or its own commit taken back. A destruction needs neither: the service's entity lets
  // nothing run beside it, so a lock that is left belongs to an operation that was given up.
  const mine =
    current.transition?.operationId === operationId ||
    (current.transition === null && current.lastCommit?.startsWith(`${operationId}/`));
  if (current.state === 'DESTROYED' || (!mine && kind !== 'destroyed'))
    throw new SluiceError('conflict', `${veeId} is not held by ${operationId}.`);
  if (change.epoch !== undefined && change.epoch < current.epoch)
    throw new SluiceError('epoch-fenced', `${veeId} is at epoch ${current.epoch} already.`);

  const at = Math.max(now, current.ledgerAt);
  const next = {
    state: change.state ?? current.state,
    hostId: change.hostId ?? current.hostId,
    epoch: change.epoch ?? current.epoch,
  };
  // A VEE that was never activated has nothing to close.
  const metered = kind !== 'destroyed' || current.ledgerSeq > 0;
  const { tenantId, serviceId, component, index } = current;
  const entry: Stored<LedgerEvent> = {
    _id: `${veeId}/${current.ledgerSeq}`,
    veeId,
    seq: current.ledgerSeq,
    kind,
    at,
    tenantId,
    serviceId,
    component,
    index,
    hostId: next.hostId,
    state: next.state,
    capacity: change.capacity ?? current.template.capacity,
    operationId,
    step,
  };
  return {
    veeId,
    entry: metered ? entry : undefined,
    set: {
      ...next,
      ...(change.capacity ? { template: { ...current.template, capacity: change.capacity } } : {}),
      transition: null,
      updatedAt: now,
      lastCommit: key,
      generation: current.generation + 1,
      ...(metered ? { ledgerAt: at, ledgerSeq: current.ledgerSeq + 1 } : {}),
    },
  };
}
