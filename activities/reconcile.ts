import { Context } from '@temporalio/activity';
import { SluiceError } from '../domain/errors';
import type { HostId, OperationId, ServiceId, VeeId } from '../domain/ids';
import { hasEnded, type OperationKind, type OperationParams } from '../domain/operation/operation';
import { findDrift, isActed, type Narrowing } from '../domain/reconcile/drift';
import { describeLeftovers, findLeftovers, givesBack } from '../domain/reconcile/leftovers';
import type { DriftFinding, DriftState } from '../domain/reconcile/model';
import { type DriftTask, tasksOf, told } from '../domain/reconcile/tasks';
import { occupiesHost } from '../domain/vee/state-machine';
import { readDriftState } from '../store/drift-state';
import { askBySite } from './ask-by-site';
import type { SiteDeps } from './deps';
import { cancelWherePossible, createOperationActivities, type OperationEnd } from './operations';

const POLL_MILLIS = 200;

export interface DriftLook {
  /** How many differences there are, and how many of them something under way explains. */
  readonly found: number;
  readonly skipped: number;
  readonly tasks: readonly DriftTask[];
}

type Asked = Exclude<DriftTask, { do: 'end' }>;

/** Activities that find drift, ask for what mends it, and remember both. */
export function createReconcileActivities(deps: SiteDeps) {
  const { store } = deps;
  const { requestOperation } = createOperationActivities(deps);

  async function tell(kind: string, id: string, f: DriftFinding, message: string, by?: OperationId) {
    const { tenantId, serviceId, veeId } = f;
    await store.events.append({
      id,
      at: deps.now(),
      kind,
      message,
      ...(tenantId ? { tenantId } : {}),
      ...(serviceId ? { serviceId } : {}),
      subject: veeId,
      ...(by ? { operationId: by } : {}),
    });
  }

  async function close(id: string, by?: OperationId): Promise<void> {
    const record = await store.drift.mended(id, deps.now());
    if (!record) return;
    const { label, veeId, hostId, kind, firstSeenAt } = record;
    await tell(
      'drift.mended',
      `drift/${id}/${firstSeenAt}/mended`,
      record,
      `${label ?? veeId} on ${hostId}: no longer ${kind}`,
      by,
    );
  }

  /** Looks, and remembers what it saw: each difference is told once for as long as it lasts. */
  async function look(
    narrowed: Narrowing,
    by?: OperationId,
  ): Promise<{ state: DriftState; findings: readonly DriftFinding[]; skipped: number }> {
    await store.hosts.recountDevices();
    const state = await readDriftState(store, deps.now());
    const { findings, skipped, gone } = findDrift(state, deps.drift, narrowed);
    const spokeAt = new Map(state.hosts.map((h) => [h.id, h.reportedAt]));
    for (const f of findings) {
      const since = await store.drift.see(f, spokeAt.get(f.hostId) ?? 0, state.now);
      await tell('drift.found', `drift/${f.id}/${since}/found`, f, told(f), by);
      if (f.recurs) await tellRecurring(f, state);
    }
    for (const id of gone) await close(id, by);
    return { state, findings, skipped: skipped.length };
  }

  async function tellRecurring(f: DriftFinding, state: DriftState): Promise<void> {
    const vee = state.vees.find((v) => v.vee.id === f.veeId)?.vee;
    const exits = f.reported?.state === 'EXITED';
    await tell(
      exits ? 'vee.crash-loop' : 'drift.recurs',
      `${f.id}/${vee?.generation ?? 0}/recurs`,
      f,
      exits
        ? `${f.label} keeps ending by itself on ${f.hostId} (${f.because}): sluice logs ${f.veeId}`
        : told(f),
    );
  }

  /** Something that is asked for because of findings counts as an attempt at each. */
  async function noteAttempt(task: DriftTask, operationId: OperationId): Promise<void> {
    const now = deps.now();
    for (const id of task.findings)
      await store.drift.attempt(id, operationId, now, now - deps.drift.attemptWindowMillis);
  }

  /** Read anew: it may have been made since the look. */
  async function isLiving(id: ServiceId): Promise<boolean> {
    const service = await store.services.get(id);
    return service !== undefined && service.phase !== 'decommissioned';
  }

  /** Records only: nothing on a host changes, so nobody need be asked. */
  async function giveBackLeftovers(state: DriftState, by?: OperationId): Promise<void> {
    const leftovers = findLeftovers(state, deps.drift);
    // Told first: a repeat finds nothing left to tell of.
    for (const { veeId, step } of describeLeftovers(leftovers))
      await store.events.append({
        id: `leftover/${step}`,
        at: deps.now(),
        kind: 'operation.leftover-released',
        message: step,
        subject: veeId,
        ...(by ? { operationId: by } : {}),
      });
    for (const { hostId, veeId, operationId } of leftovers.places)
      await store.hosts.release(hostId, veeId, operationId);
    for (const { veeId, operationId } of leftovers.locks)
      await store.vees.abandonTransitions([veeId], operationId, deps.now());
    await store.addresses.release(leftovers.addresses, deps.now());
    for (const serviceId of await store.networks.services())
      if (!state.phases.has(serviceId) && !(await isLiving(serviceId)))
        await store.networks.removeOf(serviceId);
  }

  return {
    async lookForDrift({ operationId }: { operationId: OperationId }): Promise<DriftLook> {
      const narrowed = (await store.operations.get(operationId))?.params.drift ?? {};
      const { state, findings, skipped } = await look(narrowed, operationId);
      if (givesBack(narrowed)) await giveBackLeftovers(state, operationId);
      return { found: findings.length, skipped, tasks: tasksOf(findings, state.hosts, narrowed) };
    },

    async askForMending({
      operationId,
      task,
    }: {
      operationId: OperationId;
      task: Asked;
    }): Promise<{ operationId: OperationId }> {
      await noteAttempt(task, operationId);
      const { serviceId } = task;
      const key = `${task.do}/${task.findings.join(',')}`;
      return requestOperation({ parentId: operationId, key, serviceId, ...requestOf(task) });
    },

    /**
     * Waits until an operation has ended or waits for a person, but not for ever. One that has not begun by then is
     * withdrawn: what it is about may be different when its turn comes.
     */
    async awaitSettled({
      operationId,
      until,
    }: {
      operationId: OperationId;
      until: number;
    }): Promise<OperationEnd> {
      for (;;) {
        const operation = await store.operations.get(operationId);
        if (!operation) throw new SluiceError('not-found', `There is no operation ${operationId}.`);
        const { state, error, stuck, notes } = operation;
        const over = hasEnded(operation) || state === 'stuck' || deps.now() >= until;
        const why = error ?? stuck?.error;
        if (over) {
          if (state === 'queued') await cancelWherePossible(deps, operation);
          return { operationId, state, ...(why ? { error: why } : {}), ...(notes ? { notes } : {}) };
        }
        await Context.current().sleep(POLL_MILLIS);
      }
    },

    /** Is nothing living recorded there, still? */
    async isTooMany({
      operationId,
      task,
    }: {
      operationId: OperationId;
      task: DriftTask & { do: 'end' };
    }): Promise<boolean> {
      const vee = await store.vees.get(task.veeId);
      const belongs =
        vee && occupiesHost(vee.state) && vee.hostId === task.hostId && vee.epoch === task.seenEpoch;
      if (!belongs) await noteAttempt(task, operationId);
      return !belongs;
    },

    /** What an operation that was given up still holds for a copy that has been ended. */
    async releaseLeftover({ veeId, hostId }: { veeId: VeeId; hostId: HostId }): Promise<void> {
      const vee = await store.vees.get(veeId);
      if (vee && occupiesHost(vee.state) && vee.hostId === hostId) return;
      const holder = (await store.hosts.get(hostId))?.reservations[veeId]?.operationId as
        | OperationId
        | undefined;
      const operation = holder && (await store.operations.get(holder));
      if (holder && (!operation || hasEnded(operation))) await store.hosts.release(hostId, veeId, holder);
    },

    async closeDrift({
      operationId,
      findings,
    }: {
      operationId: OperationId;
      findings: readonly string[];
    }): Promise<void> {
      for (const id of findings) await close(id, operationId);
    },

    /**
     * What the schedule does: looks, and asks for a reconciliation only when there is something to do. `key` is the
     * same for a repeat.
     */
    async seekDrift({ key }: { key: string }): Promise<{ found: number; operationId?: OperationId }> {
      const { state, findings } = await look({});
      await giveBackLeftovers(state);
      const found = findings.length;
      if (!findings.some(isActed)) return { found };
      const operationId = await askBySite(
        deps,
        'site.reconcile',
        key,
        (o) => o.kind.startsWith('site.') && o.kind !== 'site.rebalance',
      );
      return { found, ...(operationId ? { operationId } : {}) };
    },
  };
}

function requestOf(task: Asked): { kind: OperationKind; params: OperationParams; veeId?: VeeId } {
  switch (task.do) {
    case 'mend':
      return { kind: 'vee.mend', veeId: task.veeId, params: {} };
    case 'adopt':
      return { kind: 'vee.adopt', veeId: task.veeId, params: { toHostId: task.toHostId } };
    case 'make-anew':
      return {
        kind: 'service.relocate',
        params: { veeIds: task.vees.map((v) => v.veeId), partial: true, cause: 'missing' },
      };
  }
}
