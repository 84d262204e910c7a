import type { Command } from 'commander';
import { clientOf, conclude, findService, findVee } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { inTermsOf } from '../problem';
import { namesService, type OperationOptions, operationOptions } from './operation-options';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `30s`, `5m`, `1500ms` or a bare number of milliseconds. */
function millis(flag: string, given: string): number {
  const [, amount, unit = 'ms'] = /^(\d+)(ms|s|m|h)?$/.exec(given) ?? [];
  const factor = UNITS[unit];
  if (amount === undefined || factor === undefined)
    throw new CliError(`${flag} takes a time such as 30s, 5m or 1500ms, not "${given}".`, EXIT.usage);
  return Number(amount) * factor;
}

/** Commands that move VEEs between hosts, and that take hosts and the site out of service and back. */
export function registerMaintenanceCommands(program: Command): void {
  operationOptions(program.command('migrate <target>'))
    .description('move a VEE (id or SERVICE/COMPONENT/INDEX), or those of a whole SERVICE, to other hosts')
    .option('--to <host>', 'to this host and no other')
    .option('--from <host>', 'of a service: those on this host')
    .option('--partial', 'of a service: move what can be moved, rather than all or none', false)
    .option('--deadline <time>', 'all must be over by then, such as 30s; refused when that can’t be')
    .option('--escalate', 'rather than refuse, still VEEs while they are sent', false)
    .action(async (target: string, options: MigrateOptions, command: Command) => {
      const client = await clientOf(command);
      const whole = namesService(target);
      if (!whole && (options.from || options.partial))
        throw new CliError('--from and --partial are for a whole SERVICE.', EXIT.usage);
      const path = whole
        ? `/v1/services/${(await findService(client, target)).id}/migrate`
        : `/v1/vees/${await findVee(client, target)}/migrate`;
      const body = {
        ...(options.to ? { toHost: options.to } : {}),
        ...(options.from ? { fromHost: options.from } : {}),
        ...(options.partial ? { partial: true } : {}),
        ...(options.deadline ? { deadlineMillis: millis('--deadline', options.deadline) } : {}),
        ...(options.escalate ? { onDeadline: 'escalate' } : {}),
      };
      const names = { '/toHost': '--to', '/fromHost': '--from', '/deadlineMillis': '--deadline (in ms)' };
      const answer = await inTermsOf(names, client.write('POST', `${path}?dryRun=${options.dryRun}`, body));
      await conclude(command, client, answer, options.wait);
    });

  operationOptions(program.command('drain <host>'))
    .description('empty a host for maintenance: nothing new comes to it, and what is there moves away')
    .option('--force-restart', 'what can’t be moved is ended and made anew elsewhere', false)
    .option('--ignore', 'what can’t be moved is left where it is', false)
    .action(
      async (
        host: string,
        options: OperationOptions & { forceRestart: boolean; ignore: boolean },
        command: Command,
      ) => {
        if (options.forceRestart && options.ignore)
          throw new CliError('Say --force-restart or --ignore, not both.', EXIT.usage);
        const immovable = options.forceRestart ? 'restart' : options.ignore ? 'ignore' : 'ask';
        const client = await clientOf(command);
        const path = `/v1/hosts/${encodeURIComponent(host)}/drain?dryRun=${options.dryRun}`;
        await conclude(command, client, await client.write('POST', path, { immovable }), options.wait);
      },
    );

  operationOptions(program.command('restore-host <host>'))
    .description('open a host after maintenance, and bring back what left it for that')
    .action(async (host: string, options: OperationOptions, command: Command) => {
      const client = await clientOf(command);
      const path = `/v1/hosts/${encodeURIComponent(host)}/restore?dryRun=${options.dryRun}`;
      await conclude(command, client, await client.write('POST', path), options.wait);
    });

  operationOptions(program.command('recover <host>'))
    .description('make the VEEs of a lost host anew on others')
    .option('--confirm-down', 'you vouch that it is off (needed where no fencing command is set)', false)
    .action(async (host: string, options: OperationOptions & { confirmDown: boolean }, command: Command) => {
      const client = await clientOf(command);
      const path = `/v1/hosts/${encodeURIComponent(host)}/recover?dryRun=${options.dryRun}`;
      const answer = await client.write('POST', path, { confirmedDown: options.confirmDown });
      await conclude(command, client, answer, options.wait);
    });

  const site = program.command('site').description('the site as a whole');
  const verbs = {
    shutdown: 'still every service in order, so that hosts may be switched off',
    'power-up': 'bring back what the shutdown stilled, in order',
  };
  for (const [verb, what] of Object.entries(verbs))
    operationOptions(site.command(verb))
      .description(what)
      .action(async (options: OperationOptions, command: Command) => {
        const client = await clientOf(command);
        const answer = await client.write('POST', `/v1/site/${verb}?dryRun=${options.dryRun}`);
        await conclude(command, client, answer, options.wait);
      });
}

interface MigrateOptions extends OperationOptions {
  readonly to?: string;
  readonly from?: string;
  readonly partial: boolean;
  readonly deadline?: string;
  readonly escalate: boolean;
}
