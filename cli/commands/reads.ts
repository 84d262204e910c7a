import type { Command } from 'commander';
import { clientOf, findService, findVee, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { ago, printJson, seconds, table } from '../output';
import { inTermsOf } from '../problem';

type Row = Readonly<Record<string, unknown>>;

interface EventOptions {
  readonly service?: string;
  readonly subject?: string;
  readonly alerts?: boolean;
  readonly limit: string;
}

interface Listing {
  /** Rows that are over, hidden unless they are asked for. */
  readonly over?: (item: Row) => boolean;
  readonly head: readonly string[];
  readonly row: (item: Row) => (string | number)[];
}

const text = (value: unknown) => String(value ?? '');
const gauge = (used: unknown, of: unknown, key: string) =>
  `${(used as Record<string, number>)[key]}/${(of as Record<string, number>)[key]}`;

const LISTINGS: Readonly<Record<string, Listing>> = {
  services: {
    over: (s) => s.phase === 'decommissioned',
    head: ['id', 'name', 'tenant', 'phase', 'instances', 'age'],
    row: (s) => [
      text(s.id),
      text(s.name),
      text(s.tenantId),
      text(s.phase),
      Object.entries(s.instances as object)
        .map(([c, n]) => `${c}=${n}`)
        .join(' '),
      ago(Number(s.createdAt)),
    ],
  },
  vees: {
    over: (v) => v.state === 'DESTROYED',
    head: ['id', 'service', 'component', 'state', 'observed', 'host', 'epoch', 'age'],
    row: (v) => [
      text(v.id),
      text(v.serviceId),
      `${v.component}/${v.index}`,
      text(v.state),
      text(v.observed ?? '-'),
      text(v.hostId),
      text(v.epoch),
      ago(Number(v.createdAt)),
    ],
  },
  hosts: {
    head: ['id', 'driver', 'liveness', 'in use', 'cpu millis', 'memory MiB', 'vees'],
    row: (h) => {
      const print = h.fingerprint as { driver: string; capacity: object };
      return [
        text(h.id),
        print.driver,
        text(h.liveness),
        standing(h),
        gauge(h.reserved, print.capacity, 'cpuMillis'),
        gauge(h.reserved, print.capacity, 'memoryMiB'),
        text(h.vees),
      ];
    },
  },
  operations: {
    head: ['id', 'kind', 'state', 'progress', 'took', 'age'],
    row: (o) => {
      const { done, total } = o.progress as { done: number; total: number };
      const end = o.endedAt === undefined ? Date.now() : Number(o.endedAt);
      return [
        text(o.id),
        text(o.kind),
        text(o.state),
        `${done}/${total}`,
        seconds(end - Number(o.createdAt)),
        ago(Number(o.createdAt)),
      ];
    },
  },
  drift: {
    head: ['vee', 'host', 'kind', 'recorded', 'reported', 'action', 'because', 'age'],
    row: (d) => {
      const state = (of: unknown) => {
        const { state: name, epoch } = (of ?? {}) as { state?: string; epoch?: number };
        return name === undefined ? '-' : `${name}@${epoch}`;
      };
      return [
        text(d.label ?? d.veeId),
        text(d.hostId),
        text(d.kind),
        state(d.recorded),
        state(d.reported),
        text(d.action),
        text(d.because),
        ago(Number(d.firstSeenAt)),
      ];
    },
  },
  tenants: { head: ['id', 'age'], row: (t) => [text(t.id), ago(Number(t.createdAt))] },
  images: { head: ['name', 'hosts'], row: (i) => [text(i.name), text(i.hosts)] },
  reservations: {
    head: ['host', 'vee', 'operation', 'cpu millis', 'memory MiB'],
    row: (r) => {
      const amount = r.amount as { cpuMillis: number; memoryMiB: number };
      return [text(r.hostId), text(r.veeId), text(r.operationId), amount.cpuMillis, amount.memoryMiB];
    },
  },
};

/** Does it take VEEs, and if not why? */
function standing({ cordoned, maintenance, fenced }: Row): string {
  if (fenced) return 'fenced';
  if (maintenance) return (maintenance as { drained: boolean }).drained ? 'drained' : 'draining';
  return cordoned ? 'cordoned' : 'yes';
}

const UNPAGED = new Set(['images', 'reservations']);

/** Commands that only look. */
export function registerReadCommands(program: Command): void {
  program
    .command('get <resource> [id]')
    .description(`list ${Object.keys(LISTINGS).join(', ')}, or show one`)
    .option('-a, --all', 'also what is decommissioned or destroyed', false)
    .action(async (resource: string, id: string | undefined, options: { all: boolean }, command: Command) => {
      const client = await clientOf(command);
      const plural = LISTINGS[resource] ? resource : `${resource}s`;
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
              : id;
        const item = await client.get(`/v1/${plural}/${encodeURIComponent(real)}`);
        if (globals(command).json) printJson(item);
        else console.log(JSON.stringify(item, null, 2));
        return;
      }
      const rows = UNPAGED.has(plural)
        ? (await client.get<{ items: Row[] }>(`/v1/${plural}`)).items
        : await client.list<Row>(`/v1/${plural}`);
      const items = options.all ? rows : rows.filter((r) => !listing.over?.(r));
      if (globals(command).json) printJson({ items });
      else console.log(table(listing.head, items.map(listing.row)));
    });

  program
    .command('explain <vee>')
    .description('why a VEE is where it is, and why not elsewhere')
    .action(async (target: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      type Verdict = { hostId: string; score?: number; refusals: { reason: string; [k: string]: unknown }[] };
      const answer = await client.get<{
        hostId: string;
        algorithm: string;
        policy?: { name: string };
        decision?: { hostId: string; because: string; verdicts: Verdict[] };
      }>(`/v1/vees/${await findVee(client, target)}/explain`);
      if (globals(command).json) return printJson(answer);
      const { decision } = answer;
      if (!decision) return console.log('No decision is on record for it.');
      console.log(
        `Placed on ${decision.hostId} (policy ${answer.policy?.name}, ${answer.algorithm}): ${decision.because}.`,
      );
      if (answer.hostId !== decision.hostId) console.log(`It has moved since, and runs on ${answer.hostId}.`);
      console.log(
        'Score: the share of the host in use with it (striping), or left free (packing); lower is better.',
      );
      const why = (v: Verdict) =>
        v.refusals
          .map((r) =>
            Object.entries(r)
              .map(([k, x]) => (k === 'reason' ? String(x) : `${k} ${x}`))
              .join(' '),
          )
          .join('; ');
      console.log(
        table(
          ['host', 'score', 'refused because'],
          decision.verdicts.map((v) => [v.hostId, v.score ?? '-', why(v)]),
        ),
      );
    });

  program
    .command('events')
    .description('what happened, newest first')
    .option('--service <name>', 'only of this service')
    .option('--subject <id>', 'only of this host, VEE, service or site')
    .option('--alerts', 'only what somebody has to look at, such as a stuck operation')
    .option('--limit <n>', 'how many', '30')
    .action(async (options: EventOptions, command: Command) => {
      const client = await clientOf(command);
      const service = options.service
        ? (await findService(client, options.service, { ended: true })).id
        : undefined;
      type Event = { at: number; kind: string; subject: string; message: string; alert?: boolean };
      const { limit, subject, alerts } = options;
      const asked = client.get<{ items: Event[] }>('/v1/events', {
        ...{ limit, service, subject },
        ...(alerts ? { alert: 'true' } : {}),
      });
      const page = await inTermsOf({ '/query/limit': '--limit', '/query/subject': '--subject' }, asked);
      if (globals(command).json) printJson(page);
      else
        console.log(
          table(
            ['at', 'kind', 'message'],
            page.items.map((e) => [
              new Date(e.at).toISOString(),
              e.alert ? `${e.kind} (alert)` : e.kind,
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
