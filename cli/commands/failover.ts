import { type Command, Option } from 'commander';
import type { Failover, Loss, Survival } from '../../domain/maintenance/failover';
import { SLA_CLASSES } from '../../domain/manifest/sla-class';
import { clientOf, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson } from '../output';

/** Of one loss so many of what is stranded are named. */
const MOST_NAMED = 5;

/** What the site could lose. */
export function registerFailoverCommand(program: Command): void {
  program
    .command('failover')
    .description('which losses of a host, a zone or two hosts the site would survive now')
    .addOption(
      new Option('--class <class>', 'only what is at least of this class has to find a place')
        .choices(SLA_CLASSES)
        .default('bronze'),
    )
    .addHelpText('after', '\nExits with 6 when the loss of one host would leave something without a place.')
    .action(async (options: { class: string }, command: Command) => {
      const client = await clientOf(command);
      const answer = await client.get<Failover>(`/v1/capacity/failover?class=${options.class}`);
      if (globals(command).json) printJson(answer);
      else console.log(describeFailover(answer, options.class));
      if (answer.hosts.survived < answer.hosts.of) throw new CliError('', EXIT.infeasible);
    });
}

function describeFailover(answer: Failover, least: string): string {
  const { lost, counted, hosts, zones, pairs, losses, moreLosses } = answer;
  const every = least === SLA_CLASSES.at(-1);
  if (counted === 0 && !every)
    return `Nothing here is of class ${least} or better: no loss would strand any.`;
  const what = every ? 'all' : `all of class ${least} or better`;
  const rate = (what: string, { survived, of }: Survival, more = '') =>
    `  ${what}: ${survived} of ${of}${of > 0 ? ` (${((survived / of) * 100).toFixed(0)} %)` : ''}${more}`;
  return [
    ...(lost.length > 0 ? [`Lost already: ${lost.join(', ')}; what was there is to find a place too.`] : []),
    `Losses after which ${what} (${counted} VEEs) would have a place:`,
    rate('one host', hosts),
    rate('one zone', zones),
    rate(
      'two hosts at once',
      pairs,
      pairs.sampled ? ', of those that were tried' : ', of pairs that hold anything',
    ),
    ...losses.flatMap(describeLoss),
    ...(moreLosses > 0 ? [`And ${moreLosses} more losses that are not survived.`] : []),
  ].join('\n');
}

function describeLoss({ what, strandedVees, stranded }: Loss): string[] {
  const named = stranded
    .slice(0, MOST_NAMED)
    .map((s) => `  ${s.service}/${s.component}/${s.index} (${s.slaClass}): ${s.because}`);
  const more = strandedVees - named.length;
  return [`Without ${what}:`, ...named, ...(more > 0 ? [`  and ${more} more`] : [])];
}
