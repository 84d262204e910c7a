import { type Command, Option } from 'commander';
import { groupBy } from '../../domain/group-by';
import type { Admission } from '../../domain/maintenance/admission';
import type { Survival } from '../../domain/maintenance/failover';
import { SLA_CLASSES } from '../../domain/manifest/sla-class';
import { clientOf, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson, table } from '../output';
import { readManifestFile } from './services';

interface AdmitOptions {
  readonly file: string;
  readonly tenant: string;
  readonly class: string;
}

/** Whether to take a service on, before anything is begun. */
export function registerAdmitCommand(program: Command): void {
  program
    .command('admit')
    .description('whether to take a service on: has it room, what could be lost then, how many more fit')
    .requiredOption('-f, --file <path>', 'the manifest; - reads standard input')
    .option('--tenant <id>', 'whose it would be', 'any')
    .addOption(
      new Option('--class <class>', 'what is below this class may be left without a place by a loss')
        .choices(SLA_CLASSES)
        .default('bronze'),
    )
    .addHelpText(
      'after',
      '\nReserves nothing. Exits with 6 when it has no room, when with it a loss of one host would strand something more, or when it brings in less than it costs.',
    )
    .action(async (options: AdmitOptions, command: Command) => {
      const manifest = await readManifestFile(options.file);
      const client = await clientOf(command);
      const { tenant, class: least } = options;
      const query = new URLSearchParams({ tenant, class: least });
      const path = `/v1/capacity/admission?${query}`;
      const answer = await client.write<Admission>('POST', path, manifest, 'application/yaml');
      if (globals(command).json) printJson(answer);
      else console.log(describe(answer));
      if (!answer.admit) throw new CliError('', EXIT.infeasible);
    });
}

const told = (amount: number) => String(Number(amount.toPrecision(4)));

function describe({ admit, because, places, before, after, own, more, profit }: Admission): string {
  const verdict = `${admit ? 'Admit' : 'Refuse'}: ${because}`;
  if (!places || !before || !after || !own) return verdict;
  const byHost = [...groupBy(places, (p) => p.hostId)].map(
    ([hostId, of]) => `  ${hostId}: ${of.map((p) => `${p.component}/${p.index}`).join(', ')}`,
  );
  const rate = ({ survived, of }: Survival) => `${survived} of ${of}`;
  const rows = (['hosts', 'zones', 'pairs'] as const).map((kind) => [
    { hosts: 'one host', zones: 'one zone', pairs: 'two hosts at once' }[kind],
    ...[before, after, own].map((rates) => rate(rates[kind])),
  ]);
  return [
    verdict,
    ...byHost,
    table(['losses survived', 'without it', 'with it', 'the service alone'], rows),
    ...(profit ? [`It would bring in ${told(profit.perHour)} an hour beyond what it costs.`] : []),
    ...(more ? [`${more.services}${more.orMore ? ' or more' : ''} more like it fit after it.`] : []),
  ].join('\n');
}
