import { SluiceError } from '../domain/errors';
import type { Driver, DriverConfig } from './contract';
import { rotate, tailOf } from './lib/console-log';
import { machineUsage, processUsage } from './lib/machine-usage';
import { endProcess, isAlive, startTimeOf } from './lib/process-identity';
import { run } from './lib/program';
import { dialTransfer, listenForTransfer } from './lib/secure-channel';
import { contextOf } from './lib/vee-context';
import { requireLatest, requireState, sentAs, statusOf, VeeRecords } from './lib/vee-records';

/** Raised when a driver that was written for the one before would break. */
export const CONTRACT = 1;

/**
 * What a driver in a package of its own is given, so that it depends on no copy of ours: errors that are told apart
 * from failures, records and fences as the drivers of this release keep them, what a VEE is to be told, and the way from
 * host to host that nobody else reads.
 */
export const kit = {
  contract: CONTRACT,
  SluiceError,
  VeeRecords,
  requireState,
  requireLatest,
  sentAs,
  statusOf,
  contextOf,
  listenForTransfer,
  dialTransfer,
  run,
  tailOf,
  rotate,
  machineUsage,
  processUsage,
  isAlive,
  startTimeOf,
  endProcess,
} as const;
export type DriverKit = typeof kit;

/** What such a package exports. */
export interface DriverPackage {
  /** The contract that it was written for. */
  readonly contract: number;
  createDriver(config: DriverConfig, kit: DriverKit): Promise<Driver>;
}
