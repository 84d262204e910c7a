import { Argument, type Command, Option } from 'commander';
import type { Failover } from '../../domain/maintenance/failover';
import { DEFAULT_SLA_CLASS, SLA_CLASSES } from '../../domain/manifest/sla-class';
import { clientOf, globals } from '../context';
import { ago, printJson } from '../output';

interface SpareAnswer {
  readonly kept: boolean;
  readonly lose?: string;
  readonly least?: string;
  readonly since?: number;
  readonly setBy?: string;
}

/** The room that is left for what a host, or a zone, would lose. */
export function registerSpareCommands(program: Command): void {
  const spare = program
    .command('spare')
    .description('the room that is kept for the loss of any host or zone');
  spare
    .command('get')
    .description('whether any is kept, and for what')
    .action(async (_options: unknown, command: Command) =>
      show(command, await (await clientOf(command)).get<SpareAnswer>('/v1/policies/spare')),
    );
  spare
    .command('set')
    .addArgument(new Argument('<loss>', 'what may be lost').choices(['host', 'zone']))
    .addOption(
      new Option('--class <class>', 'the lowest class that must find a place then')
        .choices([...SLA_CLASSES])
        .default(DEFAULT_SLA_CLASS),
    )
    .description(
      'place nothing new (apply, scale out) where the loss of any one would then leave something without a place',
    )
    .action(async (lose: string, options: { readonly class: string }, command: Command) => {
      const body = { lose, least: options.class };
      show(command, await (await clientOf(command)).write<SpareAnswer>('PUT', '/v1/policies/spare', body));
      if (!globals(command).json) console.log(await asItIsNow(command, lose, options.class));
    });
  spare
    .command('reset')
    .description('keep none any more')
    .action(async (_options: unknown, command: Command) =>
      show(command, await (await clientOf(command)).write<SpareAnswer>('DELETE', '/v1/policies/spare')),
    );
}

/** What is there already is not touched: it may leave too little room as it is. */
async function asItIsNow(command: Command, lose: string, least: string): Promise<string> {
  const now = await (await clientOf(command)).get<Failover>(`/v1/capacity/failover?class=${least}`);
  const { survived, of } = lose === 'host' ? now.hosts : now.zones;
  return survived === of
    ? `As it is now, any ${lose} may be lost.`
    : `As it is now, of ${of} ${lose}s ${of - survived} may not be lost: sluice failover says what would have no place.`;
}

function show(command: Command, answer: SpareAnswer): void {
  if (globals(command).json) {
    printJson(answer);
    return;
  }
  const { kept, lose, least, since, setBy } = answer;
  console.log(
    kept
      ? `Room is kept for the loss of any ${lose}, for what is at least ${least} (set ${ago(since ?? 0)} ago by ${setBy}).`
      : 'No room is kept for losses.',
  );
}
