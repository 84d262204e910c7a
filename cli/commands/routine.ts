import { Argument, type Command } from 'commander';
import { clientOf, globals } from '../context';
import { ago, printJson, seconds, table } from '../output';

interface Routine {
  readonly name: string;
  readonly everyMillis: number;
  readonly paused: boolean;
  readonly note?: string;
  readonly nextAt?: number;
  readonly last?: {
    readonly at: number;
    readonly state: string;
    readonly found?: number;
    readonly operationId?: string;
  };
}

/** What the site looks for by itself. */
export function registerRoutineCommands(program: Command): void {
  const routine = program.command('routine').description('what the site looks for by itself, time and again');
  const name = () =>
    new Argument('<name>', 'drift, a load that is uneven, or ends and reservations').choices([
      'reconcile',
      'rebalance',
      'leases',
    ]);

  routine
    .command('list')
    .description('how often it looks, when next, and what came of it last')
    .action(async (_options: unknown, command: Command) => {
      const client = await clientOf(command);
      const { items } = await client.get<{ items: Routine[] }>('/v1/routines');
      if (globals(command).json) return printJson({ items });
      console.log(table(['routine', 'looks', 'next', 'last', 'found', 'asked for'], items.map(row)));
    });
  routine
    .command('pause')
    .addArgument(name())
    .option('--reason <text>', 'told to whoever asks')
    .description('look no more until it is resumed; what is under way goes on')
    .action(async (which: string, options: { readonly reason?: string }, command: Command) =>
      act(command, which, 'pause', options),
    );
  routine
    .command('resume')
    .addArgument(name())
    .description('look again as often as the settings say')
    .action(async (which: string, _options: unknown, command: Command) => act(command, which, 'resume'));
  routine
    .command('run')
    .addArgument(name())
    .description('look now, also while it is paused')
    .action(async (which: string, _options: unknown, command: Command) => act(command, which, 'run'));
}

async function act(command: Command, name: string, verb: string, body?: unknown): Promise<void> {
  const client = await clientOf(command);
  const routine = await client.write<Routine>('POST', `/v1/routines/${name}/${verb}`, body);
  if (globals(command).json) printJson(routine);
  else console.log(`${routine.name}: ${looks(routine)}`);
}

function looks({ everyMillis, paused, note }: Routine): string {
  if (everyMillis === 0) return 'never';
  return paused ? `paused${note ? `: ${note}` : ''}` : `every ${seconds(everyMillis)}`;
}

function row(routine: Routine): (string | number)[] {
  const { name, nextAt, last } = routine;
  const next = nextAt === undefined ? '-' : `in ${seconds(Math.max(0, nextAt - Date.now()))}`;
  const ended =
    last && (last.state === 'completed' ? `${ago(last.at)} ago` : `${last.state}, ${ago(last.at)} ago`);
  return [name, looks(routine), next, ended ?? '-', last?.found ?? '-', last?.operationId ?? '-'];
}
