import type { Command } from 'commander';
import { clientOf, conclude } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { type OperationOptions, operationOptions } from './operation-options';

/** Evening hosts out on demand; the site can do the same by itself, on a schedule. */
export function registerRebalanceCommand(program: Command): void {
  operationOptions(program.command('rebalance'), 'show what would be moved, why, and what it would gain')
    .description('move VEEs so that hosts are loaded more evenly, where that is worth it')
    .option('--most <n>', 'how many VEEs it may move (default: 20)')
    .action(async (options: OperationOptions & { most?: string }, command: Command) => {
      const mostMoves = options.most === undefined ? undefined : Number(options.most);
      if (mostMoves !== undefined && !Number.isInteger(mostMoves))
        throw new CliError(`--most takes a whole number, not "${options.most}".`, EXIT.usage);
      const client = await clientOf(command);
      const body = mostMoves === undefined ? {} : { mostMoves };
      const answer = await client.write('POST', `/v1/site/rebalance?dryRun=${options.dryRun}`, body);
      await conclude(command, client, answer, options.wait);
    });
}
