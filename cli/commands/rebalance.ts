import type { Command } from 'commander';
import { clientOf, conclude } from '../context';
import { inTermsOf } from '../problem';
import { type OperationOptions, operationOptions } from './operation-options';
import { count } from './services';

/** Evening hosts out on demand; the site can do the same by itself, on a schedule. */
export function registerRebalanceCommand(program: Command): void {
  operationOptions(program.command('rebalance'), 'show what would be moved, why, and what it would gain')
    .description(
      'move VEEs so that hosts are loaded more evenly, or fewer are in use, as the policy wants it',
    )
    .option('--most <n>', 'how many VEEs it may move, from 1 to 100 (default: 20)')
    .action(async (options: OperationOptions & { most?: string }, command: Command) => {
      const body = options.most === undefined ? {} : { mostMoves: count('--most', options.most) };
      const client = await clientOf(command);
      const asked = client.write('POST', `/v1/site/rebalance?dryRun=${options.dryRun}`, body);
      await conclude(command, client, await inTermsOf({ '/mostMoves': '--most' }, asked), options.wait);
    });
}
