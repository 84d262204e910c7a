import type { Command } from 'commander';
import { clientOf, globals } from '../context';
import { ago, printJson, table } from '../output';

interface Algorithms {
  readonly algorithms: readonly {
    readonly name: string;
    readonly state: string;
    readonly does?: string;
    readonly since?: number;
    readonly because?: string;
    readonly fault?: string;
  }[];
  readonly unusable: readonly Unusable[];
}

export interface Unusable {
  readonly file: string;
  readonly because: string;
}

/** Who is asked beside the solvers that are built in. */
export function registerAlgorithmCommands(program: Command): void {
  const algorithm = program
    .command('algorithm')
    .description('algorithms of one’s own, asked beside the built-in solvers');
  algorithm
    .command('list')
    .description('those that are enabled, and those that could be')
    .action(async (_options: unknown, command: Command) =>
      show(command, await (await clientOf(command)).get<Algorithms>('/v1/algorithms')),
    );
  algorithm
    .command('enable <name>')
    .description('try it, and ask it as well from the next question on')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      show(command, await client.write<Algorithms>('PUT', `/v1/algorithms/${encodeURIComponent(name)}`));
    });
  algorithm
    .command('disable <name>')
    .description('ask it no more')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      show(command, await client.write<Algorithms>('DELETE', `/v1/algorithms/${encodeURIComponent(name)}`));
    });
}

function show(command: Command, answer: Algorithms): void {
  if (globals(command).json) {
    printJson(answer);
    return;
  }
  const rows = answer.algorithms.map(({ name, state, does = '', since, because, fault }) => [
    ...[name, since === undefined ? state : `${state} for ${ago(since)}`, does],
    because ?? (fault ? `will be switched out: ${fault}` : ''),
  ]);
  if (rows.length > 0) console.log(table(['algorithm', 'state', 'does', 'because'], rows));
  else console.log('There is none.');
  for (const line of unusableLines(answer.unusable)) console.log(line);
}

/** What lies in a folder for plug-ins, and is none. */
export const unusableLines = (unusable: readonly Unusable[]): string[] =>
  unusable.map(({ file, because }) => `${file} is no plug-in: ${because}`);
