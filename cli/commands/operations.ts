import type { Command } from 'commander';
import type { OperationView } from '../client';
import { clientOf, globals, watchToEnd } from '../context';
import { printJson } from '../output';
import { inTermsOf } from '../problem';

/** Commands about operations, tenants and hosts. */
export function registerOperationCommands(program: Command): void {
  const operation = program.command('operation').description('follow, cancel and resolve operations');
  operation
    .command('watch <id>')
    .description('follow an operation to its end')
    .action(async (id: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      await watchToEnd(
        command,
        client,
        await client.get<OperationView>(`/v1/operations/${encodeURIComponent(id)}`),
      );
    });
  const verbs = {
    cancel: {
      what: 'cancel it: what it did is undone, but for parts that are whole by themselves',
      now: 'is being cancelled',
    },
    retry: { what: 'try the stuck step again', now: 'goes on' },
    abort: { what: 'give the stuck step up', now: 'ends as it stands' },
  };
  for (const [verb, { what, now }] of Object.entries(verbs))
    operation
      .command(`${verb} <id>`)
      .description(what)
      .action(async (id: string, _options: unknown, command: Command) => {
        const client = await clientOf(command);
        const operation = await client.write<OperationView>(
          'POST',
          `/v1/operations/${encodeURIComponent(id)}/${verb}`,
        );
        if (globals(command).json) printJson(operation);
        else console.log(`${operation.kind} ${operation.id} ${now}: sluice operation watch ${operation.id}`);
      });

  for (const verb of ['cordon', 'uncordon'] as const)
    program
      .command(`${verb} <host>`)
      .description(verb === 'cordon' ? 'place nothing new on a host' : 'place on a host again')
      .action(async (host: string, _options: unknown, command: Command) => {
        const client = await clientOf(command);
        const answer = await client.write<Record<string, unknown>>(
          'POST',
          `/v1/hosts/${encodeURIComponent(host)}/${verb}`,
        );
        if (globals(command).json) printJson(answer);
        else console.log(`${host} is ${answer.cordoned ? 'cordoned' : 'open'}`);
      });

  program
    .command('keep-apart <tenant> [others...]')
    .description('keep the VEEs of a tenant off hosts on which those of others are; of nobody to lift that')
    .action(async (tenant: string, others: string[], _options: unknown, command: Command) => {
      const client = await clientOf(command);
      const path = `/v1/tenants/${encodeURIComponent(tenant)}/apart-from`;
      const answer = await client.write<{ sharing: string[] }>('PUT', path, { tenants: others });
      if (globals(command).json) return printJson(answer);
      const { sharing } = answer;
      console.log(`${tenant} is kept apart from ${others.join(', ') || 'nobody'}`);
      if (sharing.length > 0)
        console.log(`It shares ${sharing.join(', ')} with them now: migrate or drain what is to leave.`);
    });

  const create = program.command('create').description('create tenants and tokens');
  create
    .command('tenant <name>')
    .description('create a tenant; one that exists stays as it is')
    .action(async (id: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      const made = client.write<Record<string, unknown>>('POST', '/v1/tenants', { id });
      const tenant = await inTermsOf({ '/id': '<name>' }, made);
      if (globals(command).json) printJson(tenant);
      else console.log(`tenant ${id} is there`);
    });
  create
    .command('token')
    .description('make a token for a tenant; it is shown once')
    .requiredOption('--tenant <name>', 'for whom')
    .option('--name <name>', 'what the token is called', 'cli')
    .action(async (options: { tenant: string; name: string }, command: Command) => {
      const client = await clientOf(command);
      const path = `/v1/tenants/${encodeURIComponent(options.tenant)}/tokens`;
      const asked = client.write<{ token: string }>('POST', path, { name: options.name });
      const made = await inTermsOf({ '/name': '--name', '/path/id': '--tenant' }, asked);
      if (globals(command).json) printJson(made);
      else console.log(made.token);
    });
  create
    .command('join-token')
    .description('make a token that lets host agents join the site')
    .action(async (_options: unknown, command: Command) => {
      const client = await clientOf(command);
      const made = await client.write<{ token: string; expiresAt: number }>('POST', '/v1/join-tokens', {});
      if (globals(command).json) printJson(made);
      else console.log(made.token);
    });
}
