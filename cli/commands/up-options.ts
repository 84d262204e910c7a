import type { Command } from 'commander';
import { DRIVERS_IN_WORDS } from '../../drivers/registry';

export interface UpOptions {
  readonly hosts?: string;
  readonly zones?: string;
  readonly driver?: string;
  readonly qemuHosts?: string;
  readonly durable: boolean;
  readonly isolated?: boolean;
  readonly apiPort?: string;
  readonly temporalPort?: string;
  readonly temporalUiPort?: string;
  readonly mongodbPort?: string;
}

/** The options of `up`, which `demo` shares. */
export function upOptions(command: Command): Command {
  return command
    .option('--hosts <n>', 'how many host agents to run on this machine (default: as last time, or 3)')
    .option('--zones <n>', 'over how many zones they are (default: as last time, or each its own)')
    .option(
      '--driver <name>',
      `how hosts run VEEs: ${DRIVERS_IN_WORDS} (default: container where it can run)`,
    )
    .option(
      '--qemu-hosts <n>',
      'how many more hosts, which run virtual machines (default: as last time, or 0)',
    )
    .option(
      '--isolated',
      'hosts reach each other over networks only, as if each were a machine (default: as last time)',
    )
    .option('--durable', 'survive a power failure as well, at the price of slower writes', false)
    .option('--api-port <port>', 'fix the API’s port')
    .option('--temporal-port <port>', 'fix Temporal’s port')
    .option('--temporal-ui-port <port>', 'fix the port of Temporal’s UI')
    .option('--mongodb-port <port>', 'fix MongoDB’s port');
}
