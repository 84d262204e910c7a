import { Argument, type Command, Option } from 'commander';
import { LICENCE_BASES } from '../../domain/placement/licences';
import type { ApiClient } from '../client';
import { clientOf, globals } from '../context';
import { printJson, table } from '../output';
import { inTermsOf } from '../problem';
import { count } from './services';

interface LicenceAnswer {
  readonly name: string;
  readonly count: number;
  readonly per: string;
  readonly used: number;
  readonly usedBy: readonly { readonly veeId: string; readonly hostId: string }[];
}

const FLAGS = { '/count': '<count>', '/per': '--per' };

/** So many licences of something the site has: nothing is placed that would take more. */
export function registerLicenceCommands(program: Command): void {
  const licence = program
    .command('licence')
    .description('licences of the site, that components of manifests take');
  licence
    .command('list')
    .description('which there are, and how many are in use')
    .action(async (_options: unknown, command: Command) => {
      const answer = await (await clientOf(command)).get<{ items: LicenceAnswer[] }>('/v1/licences');
      if (globals(command).json) return printJson(answer);
      console.log(
        table(
          ['name', 'count', 'per', 'in use', 'vees'],
          answer.items.map((l) => [l.name, l.count, l.per, l.used, veesOf(l)]),
        ),
      );
    });
  licence
    .command('set')
    .addArgument(new Argument('<name>', 'as manifests call it'))
    .addArgument(new Argument('<count>', 'so many there are'))
    .addOption(
      new Option(
        '--per <basis>',
        'what takes one: a VEE, a host with any such VEE, or each core of a VEE (default: as it was, or vee)',
      ).choices([...LICENCE_BASES]),
    )
    .description('say how many there are; not fewer than are in use')
    .action(async (name: string, many: string, options: { readonly per?: string }, command: Command) => {
      const client = await clientOf(command);
      const per = options.per ?? (await basisOf(client, name));
      const body = { count: count('<count>', many), per };
      const write = client.write<LicenceAnswer>('PUT', pathOf(name), body);
      const answer = await inTermsOf(FLAGS, write);
      if (globals(command).json) return printJson(answer);
      console.log(
        `${answer.used} of ${answer.count} licences of ${name} are in use, one for each ${answer.per}`,
      );
    });
  licence
    .command('remove <name>')
    .description('forget one that nothing takes')
    .action(async (name: string, _options: unknown, command: Command) => {
      await (await clientOf(command)).write('DELETE', pathOf(name));
      if (globals(command).json) printJson({ name, removed: true });
      else console.log(`the licence ${name} is gone`);
    });
}

/** Another count says nothing of what takes one. */
async function basisOf(client: ApiClient, name: string): Promise<string> {
  const { items } = await client.get<{ items: LicenceAnswer[] }>('/v1/licences');
  return items.find((l) => l.name === name)?.per ?? 'vee';
}

const pathOf = (name: string) => `/v1/licences/${encodeURIComponent(name)}`;
const veesOf = ({ usedBy }: LicenceAnswer) => new Set(usedBy.map((u) => u.veeId)).size;
