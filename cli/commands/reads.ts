import type { Command } from 'commander';
import { clientOf, findService, findVee, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { namerFor } from '../names';
import { printJson, seconds, table } from '../output';
import { inTermsOf } from '../problem';
import { columnsOf, LISTINGS, type Row, UNPAGED } from './listings';
import { findLease } from './reservation';

interface EventOptions {
  readonly service?: string;
  readonly subject?: string;
  readonly alerts?: boolean;
  readonly limit: string;
}

/** `host-2` before `host-10`. */
const byId = (a: Row, b: Row) => String(a.id).localeCompare(String(b.id), 'en', { numeric: true });

/** As they were called before they had one name. */
const RENAMED: Readonly<Record<string, string>> = { lease: 'reservations', leases: 'reservations' };

/** Commands that only look. */
export function registerReadCommands(program: Command): void {
  program
    .command('get <resource> [id]')
    .description(`list ${Object.keys(LISTINGS).join(', ')}, or show one`)
    .option('-a, --all', 'also what is decommissioned or destroyed', false)
    .action(async (resource: string, id: string | undefined, options: { all: boolean }, command: Command) => {
      const client = await clientOf(command);
      const plural = RENAMED[resource] ?? (LISTINGS[resource] ? resource : `${resource}s`);
      const listing = LISTINGS[plural];
      if (!listing)
        throw new CliError(
          `There is no resource "${resource}": take one of ${Object.keys(LISTINGS).join(', ')}.`,
          EXIT.usage,
        );
      if (id !== undefined) {
        const real =
          plural === 'services'
            ? (await findService(client, id)).id
            : plural === 'vees'
              ? await findVee(client, id)
              : plural === 'reservations'
                ? (await findLease(client, id)).id
                : id;
        const item = await client.get(`/v1/${plural}/${encodeURIComponent(real)}`);
        if (globals(command).json) printJson(item);
        else console.log(JSON.stringify(item, null, 2));
        return;
      }
      const rows = UNPAGED.has(plural)
        ? (await client.get<{ items: Row[] }>(`/v1/${plural}`)).items
        : await client.list<Row>(`/v1/${plural}`);
      const found = options.all ? rows : rows.filter((r) => !listing.over?.(r));
      const items = plural === 'hosts' ? found.sort(byId) : found;
      if (globals(command).json) return printJson({ items });
      const named =
        plural === 'operations'
          ? items
          : plural === 'vees'
            ? items.map(({ serviceId }) => ({ serviceId }))
            : [];
      const namer = await namerFor(client, named);
      const { head, rows: cells } = columnsOf(listing, items, namer);
      console.log(table(head, cells));
    });

  program
    .command('events')
    .description('what happened, newest first')
    .option('--service <name>', 'only of this service')
    .option('--subject <id>', 'only of this host, VEE, service or site')
    .option('--alerts', 'only what somebody has to look at, such as a stuck operation')
    .option('--limit <n>', 'how many, at most 200', '30')
    .action(async (options: EventOptions, command: Command) => {
      const client = await clientOf(command);
      const service = options.service
        ? (await findService(client, options.service, { ended: true })).id
        : undefined;
      type Event = { at: number; kind: string; serviceId?: string; message: string; alert?: boolean };
      const { limit, subject, alerts } = options;
      const asked = client.get<{ items: Event[] }>('/v1/events', {
        ...{ limit, service, subject },
        ...(alerts ? { alert: 'true' } : {}),
      });
      const page = await inTermsOf({ '/query/limit': '--limit', '/query/subject': '--subject' }, asked);
      if (globals(command).json) return printJson(page);
      const namer = await namerFor(client, page.items);
      console.log(
        table(
          ['at', 'kind', 'service', 'message'],
          page.items.map((e) => [
            new Date(e.at).toISOString(),
            e.alert ? `${e.kind} (alert)` : e.kind,
            e.serviceId === undefined ? '-' : namer.service(e.serviceId),
            e.message,
          ]),
        ),
      );
    });

  program
    .command('logs <vee>')
    .description('the last lines of a VEE’s console')
    .option('--tail <n>', 'how many lines', '100')
    .action(async (target: string, options: { tail: string }, command: Command) => {
      const client = await clientOf(command);
      const path = `/v1/vees/${await findVee(client, target)}/logs`;
      const asked = client.get<{ lines: string[] }>(path, { tail: options.tail });
      const answer = await inTermsOf({ '/query/tail': '--tail' }, asked);
      if (globals(command).json) printJson(answer);
      else for (const line of answer.lines) console.log(line);
    });

  program
    .command('usage')
    .description('metered usage by VEE')
    .option('--service <name>', 'only of this service (name or id)')
    .option('--tenant <name>', 'only of this tenant')
    .option('--component <name>', 'only of this component')
    .option('--from <instant>', 'ISO 8601, or milliseconds since the epoch')
    .option('--to <instant>', 'ISO 8601, or milliseconds since the epoch')
    .action(
      async (
        options: { service?: string; tenant?: string; component?: string; from?: string; to?: string },
        command: Command,
      ) => {
        const client = await clientOf(command);
        const service = options.service
          ? (await findService(client, options.service, { ended: true })).id
          : undefined;
        type Usage = {
          veeId: string;
          tenantId: string;
          component: string;
          index: number;
          activeMillis: number;
          heldMillis: number;
          cpuMillisMilliseconds: string;
          memoryMiBMilliseconds: string;
          hosts: string[];
        };
        const { tenant, component } = options;
        type Answer = { items: Usage[]; totals: { activeMillis: number; heldMillis: number } };
        const within = { from: instant(options.from), to: instant(options.to) };
        const asked = client.get<Answer>('/v1/usage', { service, tenant, component, ...within });
        const usage = await inTermsOf({ '/query/from': '--from', '/query/to': '--to' }, asked);
        if (globals(command).json) return printJson(usage);
        const rows = usage.items.map((u) => [
          u.veeId,
          u.tenantId,
          `${u.component}/${u.index}`,
          seconds(u.activeMillis),
          seconds(u.heldMillis),
          u.cpuMillisMilliseconds,
          u.memoryMiBMilliseconds,
          u.hosts.join(','),
        ]);
        console.log(
          table(
            ['vee', 'tenant', 'component', 'active', 'held', 'cpuMillis·ms', 'memoryMiB·ms', 'hosts'],
            rows,
          ),
        );
      },
    );

  program
    .command('check')
    .description('verify the invariants of the live system')
    .action(async (_options: unknown, command: Command) => {
      const client = await clientOf(command);
      type Report = {
        violations: string[];
        invariants: { number: number; title: string; checked: number; violations: string[] }[];
      };
      const report = await client.get<Report>('/v1/invariants');
      if (globals(command).json) printJson(report);
      else {
        console.log(
          table(
            ['#', 'invariant', 'checked', 'violations'],
            report.invariants.map((i) => [i.number, i.title, i.checked, i.violations.length]),
          ),
        );
        for (const v of report.violations) console.log(`  violated ${v}`);
      }
      if (report.violations.length > 0) throw new CliError('', EXIT.operationFailed);
    });
}

function instant(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const at = /^\d+$/.test(given) ? Number(given) : Date.parse(given);
  if (Number.isNaN(at))
    throw new CliError(`"${given}" is neither ISO 8601 nor milliseconds since the epoch.`, EXIT.usage);
  return at;
}
