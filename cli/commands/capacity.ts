import type { Command } from 'commander';
import { describeGroups } from '../../domain/placement/refusal-summary';
import type { ServiceRoom, ShapeRoom } from '../../domain/placement/room';
import { clientOf, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson, table } from '../output';
import { inTermsOf } from '../problem';
import { type SizeOptions, sizeOf, sizeOptions, whereOf } from '../sizes';
import { readManifestFile } from './services';

const FLAGS = {
  '/cpuMillis': '--cpu-millis',
  '/memoryMiB': '--memory-mib',
  '/diskMiB': '--disk-mib',
  '/bandwidthKbps': '--bandwidth-kbps',
  '/devices': '--device',
  '/image': '--image',
  '/labels': '--label',
};

type ShapeAnswer = ShapeRoom & { readonly keptForLossOf?: string };

interface CapacityOptions extends SizeOptions {
  readonly file?: string;
}

/** How much more fits, without asking for any of it. */
export function registerCapacityCommand(program: Command): void {
  sizeOptions(
    program
      .command('capacity')
      .description('how many VEEs of a size, or services of a manifest, have room beside what is there')
      .option('-f, --file <file>', 'services of this manifest, or - for standard input'),
  ).action(async (options: CapacityOptions, command: Command) => {
    const { file, label, device, ...size } = options;
    const bySize = Object.keys(size).length > 0 || label.length > 0 || device.length > 0;
    if (file !== undefined && bySize)
      throw new CliError('Ask for a manifest (-f) or for a size, not for both.', EXIT.usage);
    if (file === undefined && (size.cpuMillis === undefined || size.memoryMib === undefined))
      throw new CliError('Give --cpu-millis and --memory-mib, or a manifest with -f.', EXIT.usage);
    const { json = false } = globals(command);
    if (file !== undefined) {
      const manifest = await readManifestFile(file);
      const client = await clientOf(command);
      const room = await client.write<ServiceRoom>(
        'POST',
        '/v1/capacity/services',
        manifest,
        'application/yaml',
      );
      if (json) printJson(room);
      else console.log(describeServiceRoom(room));
      if (room.services === 0) throw new CliError('', EXIT.infeasible);
      return;
    }
    const body = { ...sizeOf(options), ...whereOf(options) };
    const client = await clientOf(command);
    const room = await inTermsOf(FLAGS, client.write<ShapeAnswer>('POST', '/v1/capacity/vees', body));
    if (json) printJson(room);
    else console.log(describeShapeRoom(room));
    if (room.fits === 0) throw new CliError('', EXIT.infeasible);
  });
}

function describeShapeRoom({ fits, fitsIfWhole, hosts, limits, keptForLossOf }: ShapeAnswer): string {
  const scattered = fitsIfWhole - fits;
  return [
    `${fits} fit${scattered > 0 ? `; ${scattered} more would if what is free were on one host` : ''}.`,
    table(
      ['host', 'fits', 'no more because of'],
      hosts.map((h) => [h.hostId, h.fits, h.because]),
    ),
    ...(hosts.length > 1 ? [describeGroups(limits)] : []),
    ...(keptForLossOf
      ? [`Room is kept for the loss of any ${keptForLossOf}, and is counted here: fewer would be placed.`]
      : []),
  ].join('\n');
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;

function describeServiceRoom({ services, veesEach, orMore, because, hosts }: ServiceRoom): string {
  return [
    `${services}${orMore ? ' or more' : ''} fit, of ${veesEach} VEEs each.`,
    ...(because ? [`One more does not: ${because}`] : []),
    table(
      ['host', 'full now', 'full then'],
      hosts.map((h) => [h.hostId, percent(h.before), percent(h.after)]),
    ),
  ].join('\n');
}
