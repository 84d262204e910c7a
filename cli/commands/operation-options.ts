import type { Command } from 'commander';

export interface OperationOptions {
  readonly dryRun: boolean;
  readonly wait: boolean;
}

/** What every command that starts an operation takes. */
export const operationOptions = (command: Command, dryRun = 'plan only', planned = false): Command =>
  command
    .option('--dry-run', dryRun, planned)
    .option('--no-wait', 'return as soon as it has started')
    .option('-w, --watch', 'follow it to its end (the default)');

/** Is a whole service meant, rather than one VEE? */
export const namesService = (target: string): boolean => !target.startsWith('vee-') && !target.includes('/');
