import type { Command } from 'commander';
import { clientOf, conclude } from '../context';
import { inTermsOf } from '../problem';
import { type OperationOptions, operationOptions } from './operation-options';

interface ReconcileOptions extends OperationOptions {
  readonly kind?: string[];
  readonly host?: string;
  readonly report: boolean;
}

/** Looking for drift on demand; the site does the same by itself, on a schedule. */
export function registerReconcileCommand(program: Command): void {
  operationOptions(
    program.command('reconcile'),
    'show what differs and what would be done, and remember nothing',
  )
    .description('find where records and hosts differ, and mend what can be mended safely')
    .option('--kind <kind...>', 'only missing, extra, wrong-state, wrong-host or wrong-size')
    .option('--host <host>', 'only what this host reports')
    .option('--report', 'look and tell, but do nothing about it', false)
    .action(async (options: ReconcileOptions, command: Command) => {
      const client = await clientOf(command);
      const body = {
        ...(options.kind ? { kinds: options.kind } : {}),
        ...(options.host ? { hostId: options.host } : {}),
        ...(options.report ? { report: true } : {}),
      };
      const asked = client.write('POST', `/v1/reconcile?dryRun=${options.dryRun}`, body);
      const answer = await inTermsOf({ '/kinds': '--kind', '/hostId': '--host' }, asked);
      await conclude(command, client, answer, options.wait);
    });
}
