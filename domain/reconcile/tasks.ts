import { groupBy } from '../group-by';
import type { HostRecord } from '../host';
import { agentTaskQueue, type HostId, type ServiceId, type VeeId } from '../ids';
import { isActed, type Narrowing, within } from './drift';
import { type DriftFinding, MENDING_VERBS, type MendingVerb } from './model';

/** What a reconciliation does about one finding, or about several of one service at once; in the form its executor needs. */
export type DriftTask = MendTask | AdoptTask | MakeAnewTask | EndTask;

interface OfTask {
  /** The findings that it is about. */
  readonly findings: readonly string[];
  readonly label: string;
}
export interface MendTask extends OfTask {
  readonly do: 'mend';
  readonly verb: MendingVerb;
  readonly serviceId: ServiceId;
  readonly veeId: VeeId;
}
export interface AdoptTask extends OfTask {
  readonly do: 'adopt';
  readonly serviceId: ServiceId;
  readonly veeId: VeeId;
  readonly toHostId: HostId;
}
export interface MakeAnewTask extends OfTask {
  readonly do: 'make-anew';
  readonly serviceId: ServiceId;
  /** Each with the host that has no trace of it, to be asked once more. */
  readonly vees: readonly { readonly veeId: VeeId; readonly hostId: HostId; readonly agentQueue: string }[];
}
export interface EndTask extends OfTask {
  readonly do: 'end';
  readonly veeId: VeeId;
  readonly hostId: HostId;
  readonly agentQueue: string;
  /** The copy that was seen. */
  readonly seenEpoch: number;
  /** What it is ended under, so that nothing older can come back there. */
  readonly epoch: number;
}

/** So much a run: the rest is found by the next look. It bounds the run's history and its payloads. */
const MOST_TASKS = 100;
const MOST_FINDINGS = 250;
/** So many VEEs of a service are made anew by one operation. */
const MOST_ANEW = 50;
/** So many of them are named in its label. */
const MOST_NAMED = 5;

export function tasksOf(
  findings: readonly DriftFinding[],
  hosts: readonly HostRecord[],
  narrowed: Narrowing = {},
): DriftTask[] {
  if (narrowed.reportOnly) return [];
  const queues = new Map(hosts.map((h) => [h.id, agentTaskQueue(h.siteId, h.agentId)]));
  const acted = findings.filter((f) => isActed(f) && within(narrowed, f));
  const single = acted.flatMap((f) => taskOf(f, queues));
  const missing = groupBy(
    acted.filter((f) => f.action === 'make-anew'),
    (f) => f.serviceId,
  );
  const anew = [...missing].flatMap(([serviceId, of]) => anewOf(serviceId, of.slice(0, MOST_ANEW), queues));
  let covered = 0;
  return [...single, ...anew].slice(0, MOST_TASKS).filter((task) => {
    covered += task.findings.length;
    return covered <= MOST_FINDINGS;
  });
}

function taskOf(f: DriftFinding, queues: ReadonlyMap<HostId, string>): DriftTask[] {
  const { veeId, hostId, serviceId, reported } = f;
  const label = f.label ?? veeId;
  const base = { findings: [f.id], label };
  const verb = MENDING_VERBS.find((v) => v === f.action);
  if (verb && serviceId) return [{ ...base, do: 'mend', verb, serviceId, veeId }];
  if (f.action === 'adopt' && serviceId)
    return [{ ...base, do: 'adopt', serviceId, veeId, toHostId: hostId }];
  const agentQueue = queues.get(hostId);
  if (f.action === 'end' && agentQueue && reported && f.endAtEpoch !== undefined)
    return [
      { ...base, do: 'end', veeId, hostId, agentQueue, seenEpoch: reported.epoch, epoch: f.endAtEpoch },
    ];
  return [];
}

function anewOf(
  serviceId: ServiceId | undefined,
  findings: readonly DriftFinding[],
  queues: ReadonlyMap<HostId, string>,
): DriftTask[] {
  const vees = findings.flatMap(({ veeId, hostId }) => {
    const agentQueue = queues.get(hostId);
    return agentQueue ? [{ veeId, hostId, agentQueue }] : [];
  });
  if (!serviceId || vees.length === 0) return [];
  const labels = findings.map((f) => f.label ?? f.veeId);
  const more = labels.length > MOST_NAMED ? ` and ${labels.length - MOST_NAMED} more` : '';
  const label = `${labels.slice(0, MOST_NAMED).join(', ')}${more}`;
  return [{ do: 'make-anew', findings: findings.map((f) => f.id), label, serviceId, vees }];
}

/** What is done about a finding, in words. */
export function told({ kind, label, veeId, hostId, action, because }: DriftFinding): string {
  return `${action} ${label ?? veeId} on ${hostId}: ${kind}, ${because}`;
}
