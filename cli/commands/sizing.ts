import type { Command } from 'commander';
import type { Sizing } from '../../domain/placement/sizing';
import { DIMENSIONS, nameOf } from '../../domain/units';
import { clientOf, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson, table } from '../output';
import { collected } from '../pairs';
import { inTermsOf } from '../problem';
import { sizeOf } from '../sizes';
import { count } from './services';

const FLAGS = {
  '/like': '--like',
  '/growthPercent': '--growth',
  '/cpuMillis': '--cpu-millis',
  '/memoryMiB': '--memory-mib',
  '/diskMiB': '--disk-mib',
  '/bandwidthKbps': '--bandwidth-kbps',
  '/host/devices': '--device',
};

interface SizingOptions {
  readonly like?: string;
  readonly cpuMillis?: string;
  readonly memoryMib?: string;
  readonly diskMib?: string;
  readonly bandwidthKbps?: string;
  readonly device: readonly string[];
  readonly growth?: string;
}

type Answer = Sizing & { readonly size: string; readonly inUse: number };

/** How few hosts would do. */
export function registerSizingCommand(program: Command): void {
  program
    .command('sizing')
    .description('how few hosts would hold what runs here, if all of it were placed anew')
    .option('--like <host>', 'hosts of the size of this one (default: the largest)')
    .option('--cpu-millis <n>', 'hosts of so many thousandths of a core')
    .option('--memory-mib <n>', 'and of so many MiB')
    .option('--disk-mib <n>', 'and of so much disk, in MiB')
    .option('--bandwidth-kbps <n>', 'and of so much bandwidth, in kbit/s')
    .option('--device <name=number>', 'and with so many of a device; may be repeated', collected, [])
    .option('--growth <percent>', 'so much more than runs now, of the same sizes, in whole VEEs', '0')
    .addHelpText(
      'after',
      '\nOf the rules of services only that which keeps the VEEs of a component on different hosts counts, and no room is left\nfor losses (sluice spare): add what is to be kept.',
    )
    .action(async ({ like, growth = '0', device, ...size }: SizingOptions, command: Command) => {
      const bySize = Object.keys(size).length > 0 || device.length > 0;
      if (like !== undefined && bySize) throw new CliError('Give --like or a size, not both.', EXIT.usage);
      if (bySize && (size.cpuMillis === undefined || size.memoryMib === undefined))
        throw new CliError('A size is --cpu-millis and --memory-mib at least.', EXIT.usage);
      const body = {
        growthPercent: count('--growth', growth),
        ...(like === undefined ? {} : { like }),
        ...(bySize ? { host: sizeOf({ ...size, device, label: [] }) } : {}),
      };
      const client = await clientOf(command);
      const answer = await inTermsOf(FLAGS, client.write<Answer>('POST', '/v1/capacity/sizing', body));
      if (globals(command).json) printJson(answer);
      else console.log(describe(answer));
    });
}

function describe({
  vees,
  hosts,
  atLeast,
  scarcest,
  loads,
  deviceLoads = {},
  size,
  inUse,
  licences = [],
}: Answer): string {
  const proven = atLeast === hosts ? 'no fewer would do' : `${atLeast} at least in any case`;
  const why = scarcest ? `; ${nameOf(scarcest)} is what runs out` : '';
  const percent = (load: number) => `${(100 * load).toFixed(0)} %`;
  return [
    `${hosts} ${hosts === 1 ? 'host' : 'hosts'} ${size} would hold ${vees} VEEs (${proven}${why}). In use now: ${inUse}. Room for losses is not in it.`,
    table(
      ['of such hosts', 'in use then'],
      [
        ...DIMENSIONS.map((d) => [nameOf(d), percent(loads[d])]),
        ...Object.entries(deviceLoads).map(([name, load]) => [name, percent(load)]),
      ],
    ),
    ...licences.map(({ name, per, count: has, needed }) => {
      const short = needed > has ? `: ${needed - has} too few` : '';
      return `licences of ${name}, by ${per}: ${needed}${per === 'host' ? ' or more' : ''} would be taken, ${has} are there${short}`;
    }),
  ].join('\n');
}
