import { Argument, type Command } from 'commander';
import { POLICY_NAMES, takenBy } from '../../domain/placement/built-in-policies';
import type { Parameters } from '../../domain/placement/policy';
import { clientOf, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { ago, parametersText, printJson, table } from '../output';
import { collected, pairsOf } from '../pairs';
import { type Unusable, unusableLines } from './algorithm';

interface Named {
  readonly name: string;
  readonly parameters?: Parameters;
}

interface Policies {
  readonly placement: Named & { readonly since?: number; readonly setBy?: string; readonly fault?: string };
  readonly initial: Named;
  readonly switchedOut?: { readonly name: string; readonly because: string; readonly at: number };
  readonly ranked?: readonly { readonly hostId: string; readonly score: number }[];
  readonly unusable?: readonly Unusable[];
  readonly available: readonly (Named & { readonly kind: string; readonly takes?: string })[];
}

interface SetOptions {
  readonly set: readonly string[];
  readonly dryRun?: boolean;
}

/** By what the site decides. */
export function registerPolicyCommands(program: Command): void {
  const policy = program.command('policy').description('by what the site chooses hosts');
  policy
    .command('get')
    .description('the policy in force')
    .action(async (_options: unknown, command: Command) =>
      show(command, await (await clientOf(command)).get<Policies>('/v1/policies')),
    );
  policy
    .command('list')
    .description('the policies that can be set: those built in, and plug-ins')
    .action(async (_options: unknown, command: Command) => {
      const {
        available,
        placement,
        unusable = [],
      } = await (await clientOf(command)).get<Policies>('/v1/policies');
      if (globals(command).json) return printJson({ items: available });
      const rows = available.map((p) => [
        `${p.name}${p.name === placement.name ? ' *' : ''}`,
        // Of the one in force what is set; of others what they are usually.
        ...[
          p.kind,
          p.takes ?? '',
          parametersText({ ...p.parameters, ...(p.name === placement.name ? placement.parameters : {}) }),
        ],
      ]);
      console.log(table(['policy', 'kind', 'takes', 'parameters'], rows));
      for (const line of unusableLines(unusable)) console.log(line);
    });
  policy
    .command('set')
    .addArgument(
      new Argument('<name>', `${POLICY_NAMES.map(described).join(', ')}, or the name of a plug-in`),
    )
    .option('--set <parameter=number>', 'a parameter of the policy; may be repeated', collected, [])
    .option('--dry-run', 'try it, and show in which order it would take the hosts; set nothing')
    .description('place by this policy from the next decision on')
    .action(async (name: string, { set, dryRun = false }: SetOptions, command: Command) => {
      const parameters = numbersOf(set);
      const client = await clientOf(command);
      const body = { name, ...(set.length > 0 ? { parameters } : {}) };
      const path = `/v1/policies/placement${dryRun ? '?dryRun=true' : ''}`;
      show(command, await client.write<Policies>('PUT', path, body));
    });
  policy
    .command('reset')
    .description('place by the policy in the settings again')
    .action(async (_options: unknown, command: Command) => {
      const client = await clientOf(command);
      show(command, await client.write<Policies>('DELETE', '/v1/policies/placement'));
    });
}

const described = (name: (typeof POLICY_NAMES)[number]) => `${name} (takes ${takenBy(name)})`;

function show(command: Command, policies: Policies): void {
  if (globals(command).json) {
    printJson(policies);
    return;
  }
  const { placement, switchedOut, ranked } = policies;
  if (ranked) {
    const { name, parameters } = placement;
    console.log(`${[name, parametersText(parameters)].join(' ').trim()} would take the hosts in this order:`);
    const rows = ranked.map(({ hostId, score }) => [hostId, String(Math.round(score * 1e6) / 1e6)]);
    console.log(table(['host', 'score, lowest first'], rows));
    return;
  }
  const { name, parameters, since, setBy, fault } = placement;
  const set = since === undefined ? 'from the settings' : `set ${ago(since)} ago by ${setBy}`;
  console.log(`placement: ${[name, parametersText(parameters)].join(' ').trim()} (${set})`);
  if (fault) console.log(`It will be switched out at the next decision: ${fault}.`);
  if (switchedOut)
    console.log(`${switchedOut.name} was switched out ${ago(switchedOut.at)} ago: ${switchedOut.because}`);
}

function numbersOf(given: readonly string[]): Parameters {
  const pairs = pairsOf('--set', given);
  const twice = pairs.find(([name], n) => pairs.some(([other], m) => m < n && other === name));
  if (twice) throw new CliError(`--set ${twice[0]} is given twice.`, EXIT.usage);
  return Object.fromEntries(
    pairs.map(([name, value]) => {
      const number = Number(value);
      if (value.trim() === '' || !Number.isFinite(number))
        throw new CliError(`--set ${name} takes a number, not "${value}".`, EXIT.usage);
      return [name, number];
    }),
  );
}
