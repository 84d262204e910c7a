import type { Command } from 'commander';
import { utcText } from '../../domain/utc';
import type { ApiClient } from '../client';
import { clientOf, conclude, globals } from '../context';
import { warnIfNothingEnds } from '../ends-warning';
import { CliError, EXIT } from '../exit-codes';
import { printJson, table } from '../output';
import { inTermsOf } from '../problem';
import { type SizeOptions, sizeOf, sizeOptions, whereOf } from '../sizes';
import { timeLine } from '../time-line';
import { durationOf, timeOf } from '../times';
import { count } from './services';

const FLAGS = {
  '/each/cpuMillis': '--cpu-millis',
  '/each/memoryMiB': '--memory-mib',
  '/each/diskMiB': '--disk-mib',
  '/each/bandwidthKbps': '--bandwidth-kbps',
  '/each/devices': '--device',
  '/query/tenant': '--tenant',
  '/name': '<name>',
  '/count': '--count',
  '/image': '--image',
  '/labels': '--label',
  '/from': '--from',
  '/until': '--until',
  '/forMillis': '--for',
};

export interface LeaseRow {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly count: number;
  readonly each: { readonly cpuMillis: number; readonly memoryMiB: number };
  readonly from: number;
  readonly until: number;
  readonly places?: readonly { readonly hostId: string; readonly count: number }[];
  readonly atRisk?: string;
  readonly services?: readonly { readonly id: string; readonly name: string; readonly until?: number }[];
}

interface CreateOptions extends SizeOptions {
  readonly tenant?: string;
  readonly count: string;
  readonly from?: string;
  readonly bestEffort: boolean;
  readonly until?: string;
  readonly for?: string;
  readonly apart: boolean;
  readonly dryRun: boolean;
}

/** Places that are promised for a time. */
export function registerReservationCommands(program: Command): void {
  const reservation = program
    .command('reservation')
    .description('places that are reserved in advance, for a time');
  sizeOptions(
    reservation
      .command('create <name>')
      .description('reserve places: from now on, from a time on, or as soon as there is room')
      .option('--tenant <name>', 'whose it is (operators must say)')
      .requiredOption('--count <n>', 'how many places'),
  )
    .option('--from <time>', 'when it begins: a time, or a duration from now; at once or not at all without')
    .option('--best-effort', 'it begins as soon as there is room for all of it', false)
    .option('--until <time>', 'when it ends; with --best-effort, by when it must be over')
    .option('--for <duration>', 'how long it lasts, such as 2h')
    .option('--apart', 'each place on a host of its own', false)
    .option('--dry-run', 'plan only', false)
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const body = bodyOf(name, options);
      const client = await clientOf(command);
      const query = new URLSearchParams({
        dryRun: String(options.dryRun),
        ...(options.tenant ? { tenant: options.tenant } : {}),
      });
      await warnIfNothingEnds(client);
      const asked = client.write<LeaseRow>('POST', `/v1/reservations?${query}`, body);
      const answer = await inTermsOf(FLAGS, asked);
      if (options.dryRun) return conclude(command, client, answer, true);
      show(command, answer);
    });
  reservation
    .command('list')
    .description('those that are planned or active')
    .option('-a, --all', 'also those that are over or cancelled', false)
    .action(async (options: { readonly all: boolean }, command: Command) => {
      const client = await clientOf(command);
      const items = await client.list<LeaseRow>('/v1/reservations', options.all ? {} : { living: 'true' });
      if (globals(command).json) return printJson({ items });
      console.log(
        table(
          ['name', 'tenant', 'state', 'kind', 'places', 'from', 'until', 'id'],
          items.map((l) => [
            ...[l.name, l.tenantId, stateOf(l), l.kind, l.count],
            ...[utcText(l.from), utcText(l.until), l.id],
          ]),
        ),
      );
    });
  reservation
    .command('show <name>')
    .description('what is promised where and when, and what uses it (NAME, TENANT:NAME or its id)')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      show(command, await client.get<LeaseRow>(`/v1/reservations/${(await findLease(client, name)).id}`));
    });
  reservation
    .command('cancel <name>')
    .description('promise it no longer; what was applied against it goes on until its own end')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      const { id } = await findLease(client, name);
      show(command, await client.write<LeaseRow>('DELETE', `/v1/reservations/${id}`));
    });
}

function bodyOf(name: string, options: CreateOptions): unknown {
  const { from, until, bestEffort, apart } = options;
  if (options.cpuMillis === undefined || options.memoryMib === undefined)
    throw new CliError('Give --cpu-millis and --memory-mib: what each place has.', EXIT.usage);
  if (from !== undefined && bestEffort)
    throw new CliError('Give --from or --best-effort, not both.', EXIT.usage);
  if (until === undefined && options.for === undefined)
    throw new CliError('Give --until or --for: every reservation has an end.', EXIT.usage);
  if (until !== undefined && options.for !== undefined && !bestEffort)
    throw new CliError('Give --until or --for, not both.', EXIT.usage);
  const now = Date.now();
  return {
    name,
    count: count('--count', options.count),
    each: sizeOf(options),
    ...whereOf(options),
    apart,
    bestEffort,
    ...(from === undefined ? {} : { from: timeOf('--from', from, now) }),
    ...(until === undefined ? {} : { until: timeOf('--until', until, now) }),
    ...(options.for === undefined ? {} : { forMillis: durationOf('--for', options.for) }),
  };
}

/** By id, as NAME, or as TENANT:NAME where several tenants have the name; one that is over only where none else has it. */
export async function findLease(client: ApiClient, given: string): Promise<LeaseRow> {
  if (given.startsWith('rsv-')) return client.get<LeaseRow>(`/v1/reservations/${encodeURIComponent(given)}`);
  const [name = '', tenant] = given.split(':').reverse();
  const named = (await client.list<LeaseRow>('/v1/reservations', { name })).filter(
    (l) => tenant === undefined || l.tenantId === tenant,
  );
  const living = named.filter((l) => l.state === 'planned' || l.state === 'active');
  const [only, second] = living.length > 0 ? living : named.slice(0, 1);
  if (!only) throw new CliError(`There is no reservation "${given}".`, EXIT.notFound);
  if (second) {
    const choices = living.map((l) => `${l.tenantId}:${l.name}`).join(', ');
    throw new CliError(`Several tenants have a reservation "${given}": say which (${choices}).`, EXIT.usage);
  }
  return only;
}

const stateOf = ({ state, atRisk }: LeaseRow): string => (atRisk ? `${state}, at risk` : state);

function show(command: Command, lease: LeaseRow): void {
  if (globals(command).json) {
    printJson(lease);
    return;
  }
  const { name, tenantId, kind, count, each, from, until, places = [], atRisk, services = [] } = lease;
  const where = places.map((p) => `${p.count} on ${p.hostId}`).join(', ');
  console.log(
    [
      `Reservation ${name} of ${tenantId} (${kind}): ${stateOf(lease)}`,
      `  ${count} × ${each.cpuMillis} cpuMillis, ${each.memoryMiB} memoryMiB${where ? `: ${where}` : ''}`,
      ...(atRisk ? [`  at risk: ${atRisk}`] : []),
      ...timeLine(lease, services, Date.now()).map((line) => `  ${line}`),
      `  from ${utcText(from)} until ${utcText(until)}`,
    ].join('\n'),
  );
}
