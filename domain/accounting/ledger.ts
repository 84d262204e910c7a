import type { HostId, OperationId, ServiceId, TenantId, VeeId } from '../ids';
import type { Capacity } from '../units';
import type { VeeState } from '../vee/state-machine';

/**
 * The usage ledger is append-only. Each event says what holds for a VEE *from* its instant on; an interval
 * is what lies between two events. So intervals are contiguous and can't overlap by construction, and the
 * only things left to check are that the chain is whole, ordered, opened once and closed once.
 */
export interface LedgerEvent {
  /** Idempotency key: `<veeId>/<seq>`. */
  readonly id: string;
  readonly veeId: VeeId;
  /** 0, 1, 2 … without a gap. */
  readonly seq: number;
  readonly kind: 'activated' | 'state' | 'moved' | 'resized' | 'destroyed';
  /** Milliseconds since the epoch; never before the previous event's. */
  readonly at: number;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly index: number;
  readonly hostId: HostId;
  readonly state: VeeState;
  readonly capacity: Capacity;
  readonly operationId: OperationId;
  /** Which of the operation's commits it was: a repeat is recognised by it, however late it comes. */
  readonly step: string;
}

export interface UsageInterval {
  readonly from: number;
  /** Absent while the VEE lives. */
  readonly to: number | undefined;
  readonly hostId: HostId;
  readonly state: VeeState;
  readonly capacity: Capacity;
}

/** The events of one VEE, in order of `seq`, to its metered intervals. */
export function intervalsOf(events: readonly LedgerEvent[]): UsageInterval[] {
  return events.flatMap((event, i) => {
    if (event.kind === 'destroyed') return [];
    const { at, hostId, state, capacity } = event;
    return [{ from: at, to: events[i + 1]?.at, hostId, state, capacity }];
  });
}

/** What breaks the ledger's promise for one VEE (invariant 4); empty when it holds. */
export function ledgerFaults(events: readonly LedgerEvent[]): string[] {
  const faults: string[] = [];
  events.forEach((event, i) => {
    const previous = events[i - 1];
    if (event.seq !== i) faults.push(`event ${i} has seq ${event.seq}: the chain has a hole or a double`);
    if ((event.kind === 'activated') !== (i === 0)) faults.push(`event ${i} is "${event.kind}"`);
    if (previous && event.at < previous.at) faults.push(`event ${i} lies before event ${i - 1}`);
    if (previous?.kind === 'destroyed') faults.push(`event ${i} follows the destruction`);
  });
  return faults;
}

export interface UsagePeriod {
  readonly from: number;
  readonly to: number;
}

/** Usage of one VEE within a period. Products are decimal strings: they outgrow 2^53 within a year. */
export interface VeeUsage {
  readonly veeId: VeeId;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly index: number;
  readonly activeMillis: number;
  readonly heldMillis: number;
  /** Σ cpuMillis × milliseconds over all intervals. */
  readonly cpuMillisMilliseconds: string;
  /** Σ memoryMiB × milliseconds. */
  readonly memoryMiBMilliseconds: string;
  /** Σ devices × milliseconds, by name; absent where it had none. */
  readonly devicesMilliseconds?: Readonly<Record<string, string>>;
  readonly hosts: readonly HostId[];
  readonly intervals: readonly UsageInterval[];
}

/** Intervals clipped to the period, and their sums. An open interval counts up to the period's end. */
export function usageOf(events: readonly LedgerEvent[], period: UsagePeriod): VeeUsage | undefined {
  const first = events[0];
  if (!first) return undefined;
  const clipped = intervalsOf(events)
    .map((i) => ({ ...i, from: Math.max(i.from, period.from), to: Math.min(i.to ?? period.to, period.to) }))
    .filter((i) => i.to > i.from);
  let [activeMillis, heldMillis, cpu, memory] = [0, 0, 0n, 0n];
  const devices = new Map<string, bigint>();
  for (const { from, to, state, capacity } of clipped) {
    const millis = to - from;
    heldMillis += millis;
    if (state === 'ACTIVE') activeMillis += millis;
    cpu += BigInt(capacity.cpuMillis) * BigInt(millis);
    memory += BigInt(capacity.memoryMiB) * BigInt(millis);
    for (const [name, many] of Object.entries(capacity.devices ?? {}))
      devices.set(name, (devices.get(name) ?? 0n) + BigInt(many) * BigInt(millis));
  }
  return {
    veeId: first.veeId,
    tenantId: first.tenantId,
    serviceId: first.serviceId,
    component: first.component,
    index: first.index,
    activeMillis,
    heldMillis,
    cpuMillisMilliseconds: cpu.toString(),
    memoryMiBMilliseconds: memory.toString(),
    ...(devices.size > 0
      ? { devicesMilliseconds: Object.fromEntries([...devices].map(([name, n]) => [name, n.toString()])) }
      : {}),
    hosts: [...new Set(clipped.map((i) => i.hostId))],
    intervals: clipped,
  };
}
