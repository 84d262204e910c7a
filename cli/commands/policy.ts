import { Argument, type Command } from 'commander';
import { POLICY_NAMES } from '../../domain/placement/model';
import { clientOf, globals } from '../context';
import { ago, printJson } from '../output';

interface Policies {
  readonly placement: { readonly name: string; readonly since?: number; readonly setBy?: string };
  readonly initial: { readonly name: string };
}

/** By what the site decides. */
export function registerPolicyCommands(program: Command): void {
  const policy = program.command('policy').description('by what the site chooses hosts');
  const show = (command: Command, policies: Policies) => {
    if (globals(command).json) return printJson(policies);
    const { name, since, setBy } = policies.placement;
    const set = since === undefined ? 'from the settings' : `set ${ago(since)} ago by ${setBy}`;
    console.log(`placement: ${name} (${set})`);
  };
  policy
    .command('get')
    .description('the policy in force')
    .action(async (_options: unknown, command: Command) =>
      show(command, await (await clientOf(command)).get<Policies>('/v1/policies')),
    );
  policy
    .command('set')
    .addArgument(
      new Argument('<name>', 'packing takes the tightest host that fits, striping the emptiest').choices(
        POLICY_NAMES,
      ),
    )
    .description('place by this policy from the next decision on')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      show(command, await client.write<Policies>('PUT', '/v1/policies/placement', { name }));
    });
  policy
    .command('reset')
    .description('place by the policy in the settings again')
    .action(async (_options: unknown, command: Command) => {
      const client = await clientOf(command);
      show(command, await client.write<Policies>('DELETE', '/v1/policies/placement'));
    });
}
