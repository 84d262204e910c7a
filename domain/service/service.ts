import type { LeaseId, OperationId, ServiceId, SiteId, TenantId } from '../ids';
import { freeAtOf, type Stay } from '../placement/promised';

/** The service's lifecycle: CSA's delivery stages over RESERVOIR's states. */
export const PHASES = [
  'requested',
  'negotiated',
  'reserved',
  'deploying',
  'registered',
  'operating',
  'recomposing',
  'suspended',
  'decommissioning',
  'decommissioned',
] as const;
export type ServicePhase = (typeof PHASES)[number];

/** A phase that was entered, when, and by which operation: CSA's lifecycle metadata. */
export interface PhaseEntry {
  readonly phase: ServicePhase;
  readonly at: number;
  readonly operationId: string;
}

/**
 * Which phase may follow which. Decommissioning may begin anywhere: a provisioning that is undone goes that
 * way from wherever it had come to.
 */
export const NEXT_PHASES: Readonly<Record<ServicePhase, readonly ServicePhase[]>> = {
  requested: ['negotiated', 'decommissioning'],
  negotiated: ['reserved', 'decommissioning'],
  reserved: ['deploying', 'decommissioning'],
  deploying: ['registered', 'decommissioning'],
  registered: ['operating', 'decommissioning'],
  operating: ['recomposing', 'suspended', 'decommissioning'],
  // Again by another operation: the first may have been given up.
  recomposing: ['recomposing', 'operating', 'decommissioning'],
  suspended: ['operating', 'decommissioning'],
  // Again by another operation: the first may have been given up.
  decommissioning: ['decommissioning', 'decommissioned'],
  decommissioned: [],
};

/** Phases that a service only passes through: one that stays there was left by an operation that was given up. */
const PASSING_PHASES: readonly ServicePhase[] = [
  'requested',
  'negotiated',
  'reserved',
  'deploying',
  'registered',
  'recomposing',
  'decommissioning',
];
export const isPassing = (phase: ServicePhase) => PASSING_PHASES.includes(phase);

export interface ServiceRecord {
  readonly id: ServiceId;
  readonly siteId: SiteId;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly phase: ServicePhase;
  readonly history: readonly PhaseEntry[];
  readonly manifestDigest: string;
  /** The operation that made it as that manifest says; its provisioning when absent. */
  readonly manifestOperationId?: OperationId;
  /**
   * The manifest that it is being re-composed to. It stays while what a failed re-composition did is kept: some
   * VEEs are then of one manifest and some of the other.
   */
  readonly recomposition?: { readonly manifestDigest: string; readonly operationId: OperationId } | null;
  /** How many instances of each component are wanted now; starts at the manifest's `initial`. */
  readonly instances: Readonly<Record<string, number>>;
  /** Global reservation id: names this provisioning through its whole life (CSA). */
  readonly gri: string;
  readonly provisionOperationId: OperationId;
  /** When the site decommissions it by itself; absent where it has no end. */
  readonly until?: number;
  /** The reservation that it was applied against. */
  readonly leaseId?: LeaseId;
  readonly generation: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** How long the VEEs of a service hold their places, as far as there is an end to it. */
export function stayOfService({
  until,
  leaseId,
}: Pick<ServiceRecord, 'until' | 'leaseId'>): Stay | undefined {
  if (until === undefined && leaseId === undefined) return undefined;
  return { ...(until === undefined ? {} : { freeAt: freeAtOf(until) }), ...(leaseId ? { leaseId } : {}) };
}
