import { canDo, type DriverCapabilities, type ReportedState } from '../host';
import { amountOf, type Capacity, differences } from '../units';
import type { VeeState } from '../vee/state-machine';
import type { MendingVerb } from './model';

/** What is to be done about a copy that is on the host, and at the epoch, that are recorded. */
export type InPlace =
  | { readonly kind: 'as-recorded' }
  | {
      readonly kind: 'mend';
      readonly verb: MendingVerb;
      readonly drift: 'wrong-state' | 'wrong-size';
      readonly because: string;
    }
  | {
      readonly kind: 'report';
      readonly drift: 'wrong-state' | 'wrong-size';
      readonly because: string;
    };

type Cell = { readonly verb: MendingVerb } | { readonly report: string } | 'as-recorded';

const NO_MEMORY: Cell = {
  report: 'what it had in memory is gone, so it can’t be brought back to this state',
};
const HALF_MADE: Cell = { report: 'it was never activated: decommission its service, or scale it in' };
const UNDECIDED: Cell = { report: 'a migration of it was given up half-way' };

/**
 * Rows are what is recorded, columns what the host reports. What is recorded is what was asked for, so the host is
 * brought to it: also a VEE that runs though it was paused or suspended, since stilling it loses nothing and
 * can be taken back. What would cost it its memory is left to a person.
 */
const TABLE: Readonly<
  Record<Exclude<VeeState, 'DESTROYED'>, Readonly<Record<Exclude<ReportedState, 'DESTROYED'>, Cell>>>
> = {
  ACTIVE: {
    ACTIVE: 'as-recorded',
    PAUSED: { verb: 'resume' },
    SUSPENDED: { verb: 'restore' },
    DEFINED: { verb: 'start' },
    EXITED: { verb: 'start' },
    // Recorded here means that its source has sent it and is gone: only the last step is missing.
    INCOMING: { verb: 'switch-over' },
    OUTGOING: { verb: 'take-back' },
  },
  PAUSED: {
    ACTIVE: { verb: 'pause' },
    PAUSED: 'as-recorded',
    SUSPENDED: { report: 'it is saved to disk rather than paused' },
    DEFINED: NO_MEMORY,
    EXITED: NO_MEMORY,
    INCOMING: UNDECIDED,
    OUTGOING: UNDECIDED,
  },
  SUSPENDED: {
    ACTIVE: { verb: 'suspend' },
    PAUSED: { report: 'it is paused rather than saved to disk' },
    SUSPENDED: 'as-recorded',
    DEFINED: NO_MEMORY,
    EXITED: NO_MEMORY,
    INCOMING: UNDECIDED,
    OUTGOING: UNDECIDED,
  },
  DEFINED: {
    ACTIVE: HALF_MADE,
    PAUSED: HALF_MADE,
    SUSPENDED: HALF_MADE,
    DEFINED: 'as-recorded',
    EXITED: HALF_MADE,
    INCOMING: HALF_MADE,
    OUTGOING: HALF_MADE,
  },
};

const CAPABILITY = { pause: 'pause', resume: 'resume', suspend: 'suspend', restore: 'restore' } as const;

/** By what is recorded and reported of one copy alone; whether it may be started now, others decide. */
export function inPlace(
  recorded: { readonly state: VeeState; readonly capacity: Capacity },
  reported: { readonly state: ReportedState; readonly capacity?: Capacity | undefined },
  capabilities: DriverCapabilities,
): InPlace {
  if (recorded.state === 'DESTROYED' || reported.state === 'DESTROYED')
    return {
      kind: 'report',
      drift: 'wrong-state',
      because: 'nothing is done in place to what is destroyed',
    };
  const cell = TABLE[recorded.state][reported.state];
  if (cell === 'as-recorded') return sizeOf(recorded, reported, capabilities);
  const drift = 'wrong-state';
  const differs = `recorded ${recorded.state}, reported ${reported.state}`;
  if ('report' in cell) return { kind: 'report', drift, because: `${differs}: ${cell.report}` };
  const verb = CAPABILITY[cell.verb as keyof typeof CAPABILITY];
  if (verb && !canDo(capabilities, verb))
    return { kind: 'report', drift, because: `${differs}: the driver can’t ${verb}` };
  return { kind: 'mend', verb: cell.verb, drift, because: differs };
}

function sizeOf(
  recorded: { readonly state: VeeState; readonly capacity: Capacity },
  reported: { readonly capacity?: Capacity | undefined },
  capabilities: DriverCapabilities,
): InPlace {
  const { capacity } = reported;
  const wrong = capacity ? differences(capacity, recorded.capacity) : [];
  if (!capacity || wrong.length === 0) return { kind: 'as-recorded' };
  const drift = 'wrong-size';
  const differs = wrong
    .map((d) => `${d} recorded ${amountOf(recorded.capacity, d)}, reported ${amountOf(capacity, d)}`)
    .join('; ');
  const because = (why: string) => ({ kind: 'report', drift, because: `${differs}: ${why}` }) as const;
  if (recorded.state !== 'ACTIVE') return because(`a VEE that is ${recorded.state} can’t be resized`);
  if (!capabilities.liveResize) return because('the driver can’t resize what runs');
  if (!wrong.some((d) => d === 'cpuMillis' || d === 'memoryMiB'))
    return because('only processor and memory can be changed in place');
  return { kind: 'mend', verb: 'resize', drift, because: differs };
}
