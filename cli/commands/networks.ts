import type { Command } from 'commander';
import type { ApiClient } from '../client';
import { clientOf, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson, table } from '../output';
import { inTermsOf } from '../problem';
import { count } from './services';

interface NetworkAnswer {
  readonly id: string;
  readonly name: string;
  readonly kind: 'service' | 'site';
  readonly tenantId?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mtu: number;
  readonly vni?: number;
  readonly sharedWith?: readonly string[] | null;
  readonly addresses: number;
  readonly inUse?: number;
  readonly vees?: readonly {
    readonly veeId: string;
    readonly component: string;
    readonly mac: string;
    readonly addresses: readonly string[];
  }[];
  readonly names?: readonly { readonly name: string; readonly addresses: readonly string[] }[];
}

interface CreateOptions {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mtu?: string;
  readonly vni?: string;
  readonly tenant: readonly string[];
  readonly everybody: boolean;
}

const FLAGS = {
  '/name': '<name>',
  '/ipv4': '--ipv4',
  '/ipv6': '--ipv6',
  '/mtu': '--mtu',
  '/vni': '--vni',
  '/tenants': '--tenant',
};

/** Networks that services are on, and those that the site has for them. */
export function registerNetworkCommands(program: Command): void {
  const network = program.command('network').description('networks of the site, that manifests name');
  network
    .command('create <name>')
    .description('make one, for the services of some tenants or of all')
    .option('--ipv4 <subnet>', 'such as 192.168.40.0/24')
    .option('--ipv6 <subnet>', 'such as fd00:40::/64')
    .option('--tenant <name>', 'share it with this one (may be given again)', more, [])
    .option('--everybody', 'share it with all tenants', false)
    .option('--mtu <bytes>', 'the largest packet')
    .option('--vni <number>', 'its VXLAN network identifier, where that has to be a certain one')
    .action(async (name: string, options: CreateOptions, command: Command) => {
      const { ipv4, ipv6, mtu, vni, tenant, everybody } = options;
      if (tenant.length === 0 && !everybody)
        throw new CliError('Give --tenant or --everybody: whose services may be on it.', EXIT.usage);
      const body = {
        ...{ name, ipv4, ipv6, tenants: tenant, everybody },
        ...(mtu === undefined ? {} : { mtu: count('--mtu', mtu) }),
        ...(vni === undefined ? {} : { vni: count('--vni', vni) }),
      };
      const client = await clientOf(command);
      show(command, await inTermsOf(FLAGS, client.write<NetworkAnswer>('POST', '/v1/networks', body)));
    });
  network
    .command('list')
    .description('those of the site, and of services')
    .action(async (_options: unknown, command: Command) => {
      const items = await (await clientOf(command)).list<NetworkAnswer>('/v1/networks');
      if (globals(command).json) return printJson({ items });
      console.log(
        table(
          ['name', 'of', 'ipv4', 'ipv6', 'in use', 'shared with', 'id'],
          items.map((n) => [
            ...[n.name, n.tenantId ?? 'site', n.ipv4 ?? '-', n.ipv6 ?? '-'],
            ...[usedOf(n), sharedWith(n), n.id],
          ]),
        ),
      );
    });
  network
    .command('show <name>')
    .description('one of them (NAME or its id), and who is on it')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      show(command, await client.get<NetworkAnswer>(`/v1/networks/${await find(client, name)}`));
    });
  network
    .command('delete <name>')
    .description('remove one of the site that no VEE is on')
    .action(async (name: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      const id = await find(client, name, 'site');
      const gone = await client.write<NetworkAnswer>('DELETE', `/v1/networks/${id}`);
      if (globals(command).json) printJson({ ...gone, removed: true });
      else console.log(`the network ${gone.name} is gone`);
    });
}

const more = (value: string, before: readonly string[]) => [...before, value];

/** By its id, or by its name where only one has it. */
async function find(client: ApiClient, given: string, kind?: NetworkAnswer['kind']): Promise<string> {
  if (/^net-[0-9a-f]{24}$/.test(given)) return given;
  const named = (await client.list<NetworkAnswer>('/v1/networks')).filter(
    (n) => n.name === given && (kind === undefined || n.kind === kind),
  );
  const [only, second] = named;
  if (!only) throw new CliError(`There is no network "${given}".`, EXIT.notFound);
  if (second)
    throw new CliError(
      `Several networks are called "${given}": say which (${named.map((n) => n.id).join(', ')}).`,
      EXIT.usage,
    );
  return only.id;
}

const usedOf = ({ inUse, addresses }: NetworkAnswer) =>
  inUse === undefined ? `?/${addresses}` : `${inUse}/${addresses}`;

function sharedWith({ kind, sharedWith: tenants }: NetworkAnswer): string {
  if (kind === 'service' || tenants === undefined) return '-';
  return tenants === null ? 'everybody' : tenants.join(', ') || 'nobody';
}

function show(command: Command, network: NetworkAnswer): void {
  if (globals(command).json) {
    printJson(network);
    return;
  }
  const { name, ipv4, ipv6, mtu, vees = [], names = [] } = network;
  const subnets = [ipv4, ipv6].filter((s) => s !== undefined).join(' and ');
  console.log(`Network ${name}: ${subnets}, packets of ${mtu} bytes, ${usedOf(network)} addresses in use`);
  if (vees.length > 0)
    console.log(
      table(
        ['vee', 'component', 'addresses', 'mac'],
        vees.map((v) => [v.veeId, v.component, v.addresses.join(', '), v.mac]),
      ),
    );
  if (names.length > 0)
    console.log(
      table(
        ['name', 'addresses'],
        names.map((n) => [n.name, n.addresses.join(', ')]),
      ),
    );
}
