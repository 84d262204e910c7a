/**
 * The life of a VEE (RESERVOIR slides, "VM configuration and control"): five resting states, and
 * verbs that lead from one to another. The states in between (`migrating`, `pausing`, …) belong to the
 * operation that is under way, not to the VEE: `VeeRecord.transition` names that operation, and is the
 * VEE's lock.
 */
export const VEE_STATES = ['DEFINED', 'ACTIVE', 'PAUSED', 'SUSPENDED', 'DESTROYED'] as const;
export type VeeState = (typeof VEE_STATES)[number];

export const VEE_VERBS = [
  'start',
  'pause',
  'resume',
  'suspend',
  'restore',
  'restart',
  'resize',
  'migrate',
  'relocate',
  'mend',
  'capture',
  'destroy',
] as const;
export type VeeVerb = (typeof VEE_VERBS)[number];

/** Of those, the verbs that are one call on a host and change the state alone. */
export type StateVerb = Extract<VeeVerb, 'pause' | 'resume' | 'suspend' | 'restore'>;

/** Rows are states, columns verbs; a missing cell is an illegal transition. */
export const TRANSITIONS: Readonly<Record<VeeState, Partial<Readonly<Record<VeeVerb, VeeState>>>>> = {
  DEFINED: { start: 'ACTIVE', destroy: 'DESTROYED' },
  ACTIVE: {
    pause: 'PAUSED',
    suspend: 'SUSPENDED',
    restart: 'ACTIVE',
    resize: 'ACTIVE',
    migrate: 'ACTIVE',
    relocate: 'ACTIVE',
    mend: 'ACTIVE',
    capture: 'ACTIVE',
    destroy: 'DESTROYED',
  },
  PAUSED: { resume: 'ACTIVE', relocate: 'ACTIVE', mend: 'PAUSED', destroy: 'DESTROYED' },
  SUSPENDED: {
    restore: 'ACTIVE',
    relocate: 'ACTIVE',
    mend: 'SUSPENDED',
    capture: 'SUSPENDED',
    destroy: 'DESTROYED',
  },
  DESTROYED: {},
};

export function nextState(from: VeeState, verb: VeeVerb): VeeState | undefined {
  return TRANSITIONS[from][verb];
}

export function legalVerbs(from: VeeState): VeeVerb[] {
  return VEE_VERBS.filter((verb) => TRANSITIONS[from][verb] !== undefined);
}

/** What is not asked of one VEE: it is started and destroyed with its service, and made anew or mended by the site. */
const OF_THE_SYSTEM: readonly VeeVerb[] = ['start', 'destroy', 'relocate', 'mend'];

export function requestableVerbs(from: VeeState): VeeVerb[] {
  return legalVerbs(from).filter((verb) => !OF_THE_SYSTEM.includes(verb));
}

/** States in which a VEE holds a place on its host, and so a reservation. */
export const occupiesHost = (state: VeeState) => state !== 'DESTROYED';
