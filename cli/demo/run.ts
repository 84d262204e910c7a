import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { UpOptions } from '../commands/up-options';
import type { GlobalOptions } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson } from '../output';
import { machinesObstacle } from './machines';
import { runScenario, type ScenarioResult } from './scenario';
import type { OperationRow } from './story';
import { summary } from './summary';
import { TiedSite } from './tied-site';

export type DemoOptions = UpOptions & { readonly keep: boolean };

const example = (name: string) => readFile(join(__dirname, '..', '..', '..', 'examples', name), 'utf8');
/** One to run the machine, and one that it is migrated to. */
const QEMU_HOSTS = '2';

export async function demo(options: DemoOptions, { json = false, dataDir }: GlobalOptions): Promise<void> {
  const say = (line: string) => (json ? console.error(line) : console.log(line));
  const indented = (line: string) => say(`  ${line}`);
  const demoDir = join(dataDir, 'demo');
  // Who chooses a driver wants it everywhere.
  const obstacle = options.driver === undefined ? await machinesObstacle(indented) : undefined;
  const withMachines = options.driver === undefined && obstacle === undefined;
  if (obstacle)
    indented(
      `The demo goes without virtual machines: it needs ${obstacle.missing} for them (${obstacle.mend}).`,
    );
  const qemuHosts = options.qemuHosts ?? (withMachines ? QEMU_HOSTS : undefined);
  const site = await TiedSite.start(demoDir, upFlags({ ...options, qemuHosts }), indented);
  const operations: OperationRow[] = [];
  let result: ScenarioResult;
  try {
    const mixed = withMachines ? await example('mixed.yaml') : undefined;
    const manifests = { webshop: await example('webshop.yaml'), mixed };
    result = await runScenario(site, manifests, { operations, keep: options.keep, say });
  } catch (error) {
    await site.stop();
    if (json)
      printJson({
        ok: false,
        error: (error as Error).message,
        operations,
        machines: null,
        usage: [],
        invariants: { checked: 0, violations: [] },
      });
    throw new CliError(
      `The demo failed: ${(error as Error).message}. Logs are in ${demoDir}/logs.`,
      EXIT.operationFailed,
    );
  }
  say(summary(result, site.ready));
  await end(site, options.keep, demoDir, say);
  const { usage, invariants } = result;
  const ok = invariants.violations.length === 0;
  if (json) printJson({ ok, operations, machines: result.machines ?? obstacle ?? null, usage, invariants });
  if (!ok) throw new CliError('The system broke an invariant.', EXIT.operationFailed);
}

async function end(
  site: TiedSite,
  keep: boolean,
  demoDir: string,
  say: (line: string) => void,
): Promise<void> {
  if (keep) {
    await site.release();
    say(`Left running. Use it with: npx sluice --data-dir ${demoDir} get vees`);
    say(`Stop it with:              npx sluice --data-dir ${demoDir} down`);
    return;
  }
  say('Stopping the site.');
  await site.stop();
}

function upFlags(options: Omit<UpOptions, 'qemuHosts'> & { qemuHosts: string | undefined }): string[] {
  const named: [string, string | undefined][] = [
    ['--hosts', options.hosts],
    ['--zones', options.zones],
    ['--driver', options.driver],
    ['--qemu-hosts', options.qemuHosts],
    ['--api-port', options.apiPort],
    ['--temporal-port', options.temporalPort],
    ['--temporal-ui-port', options.temporalUiPort],
    ['--mongodb-port', options.mongodbPort],
  ];
  return [
    ...named.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value])),
    ...(options.isolated ? ['--isolated'] : []),
    ...(options.durable ? ['--durable'] : []),
  ];
}
