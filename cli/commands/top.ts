import type { Command } from 'commander';
import { groupBy } from '../../domain/group-by';
import type { ApiClient } from '../client';
import { clientOf, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { namerFor } from '../names';
import { printJson, table } from '../output';

interface Load {
  readonly cpuMillis: number;
  readonly memoryMiB: number;
}

interface HostRow {
  readonly id: string;
  readonly liveness?: string;
  readonly fingerprint: {
    readonly driver?: string;
    readonly capacity: Load;
    readonly physical?: Load | undefined;
  };
  readonly reserved: Load;
  readonly measured?: Load | undefined;
}

interface VeeRow {
  readonly id: string;
  readonly serviceId: string;
  readonly component: string;
  readonly index: number;
  readonly state: string;
  readonly hostId: string;
  readonly capacity: Load;
  readonly used?: Load;
}

const share = (part: number | undefined, of: number) =>
  part === undefined ? '-' : `${part} (${of === 0 ? 0 : Math.round((100 * part) / of)} %)`;

/** The busiest first; what nothing is measured of comes last, as it was listed. */
function busiestFirst<T>(rows: readonly T[], loadOf: (row: T) => { used: Load | undefined; of: Load }): T[] {
  const peak = (row: T) => {
    const { used, of } = loadOf(row);
    if (!used) return -1;
    return Math.max(used.cpuMillis / Math.max(1, of.cpuMillis), used.memoryMiB / Math.max(1, of.memoryMiB));
  };
  return [...rows].sort((a, b) => peak(b) - peak(a));
}

/** What is in use is a share of what the host has, which may be less than what it gives out. */
export const rowOfHost = ({
  id,
  capacity: of,
  physical = of,
  reserved,
  measured,
}: Pick<HostRow, 'id' | 'reserved' | 'measured'> & HostRow['fingerprint']): string[] => [
  id,
  share(reserved.cpuMillis, of.cpuMillis),
  share(measured?.cpuMillis, physical.cpuMillis),
  share(reserved.memoryMiB, of.memoryMiB),
  share(measured?.memoryMiB, physical.memoryMiB),
];

async function topOfHosts(client: ApiClient, json: boolean): Promise<void> {
  const hosts = busiestFirst(await client.list<HostRow>('/v1/hosts'), (h) => ({
    used: h.measured,
    of: h.fingerprint.physical ?? h.fingerprint.capacity,
  }));
  const items = hosts.map(({ id, fingerprint: { capacity, physical }, reserved, measured }) => ({
    ...{ id, capacity, physical, reserved, measured },
  }));
  if (json) return printJson({ items });
  const rows = items.map(rowOfHost);
  const head = ['host', 'cpu millis reserved', 'in use', 'memory MiB reserved', 'in use'];
  console.log(table(head, rows));
  tellUnmeasured(
    hosts.flatMap(({ id, measured, liveness, fingerprint: { driver } }) =>
      measured ? [] : [{ id, why: whyHostUnmeasured(liveness, driver) }],
    ),
  );
}

const whyHostUnmeasured = (liveness: string | undefined, driver: string | undefined): string => {
  if (liveness !== undefined && liveness !== 'up') return `${liveness}: its agent tells nothing`;
  return driver === 'simulator'
    ? 'simulated: nothing runs there that could be measured'
    : 'its agent has not measured it yet';
};

/** Why some have a dash in place of what is in use, each reason once. */
function tellUnmeasured(unmeasured: readonly { readonly id: string; readonly why: string }[]): void {
  for (const [why, of] of groupBy(unmeasured, (u) => u.why)) {
    const some = of.slice(0, MOST_NAMED).map((u) => u.id);
    const more = of.length > some.length ? ` and ${of.length - some.length} more` : '';
    console.log(`- : ${some.join(', ')}${more}: ${why}.`);
  }
}

const MOST_NAMED = 3;

async function topOfVees(client: ApiClient, json: boolean): Promise<void> {
  const living = await client.list<VeeRow>('/v1/vees', { living: 'true' });
  const vees = busiestFirst(living, (v) => ({ used: v.used, of: v.capacity }));
  if (json) return printJson({ items: vees });
  const named = vees.map(({ serviceId }) => ({ serviceId }));
  const { service } = await namerFor(client, named);
  const rows = vees.map((v) => [
    `${service(v.serviceId)}/${v.component}/${v.index}`,
    v.hostId,
    v.capacity.cpuMillis,
    share(v.used?.cpuMillis, v.capacity.cpuMillis),
    v.capacity.memoryMiB,
    share(v.used?.memoryMiB, v.capacity.memoryMiB),
  ]);
  console.log(table(['vee', 'host', 'cpu millis', 'in use', 'memory MiB', 'in use'], rows));
  const unmeasured = vees.filter((v) => v.used === undefined);
  tellUnmeasured(
    unmeasured.map((v) => ({
      id: `${service(v.serviceId)}/${v.component}/${v.index}`,
      why:
        v.state === 'ACTIVE'
          ? 'its host has measured nothing of it lately (as simulated hosts do, and such whose agent is silent)'
          : `it is ${v.state}, and so uses nothing that is measured`,
    })),
  );
}

export function registerTopCommand(program: Command): void {
  program
    .command('top [what]')
    .description('what is really in use, as measured, beside what is reserved: of hosts, or of vees')
    .action(async (what: string | undefined, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      const json = globals(command).json === true;
      if (what === undefined || /^hosts?$/.test(what)) return topOfHosts(client, json);
      if (/^vees?$/.test(what)) return topOfVees(client, json);
      throw new CliError(`There is no "sluice top ${what}": take hosts or vees.`, EXIT.usage);
    });
}
