import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type UpOptions, upOptions } from '../commands/up-options';
import { globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson } from '../output';
import { type OperationRow, runScenario, type ScenarioResult } from './scenario';
import { summary } from './summary';
import { TiedSite } from './tied-site';

const MANIFEST = join(__dirname, '..', '..', '..', 'examples', 'webshop.yaml');

export function registerDemo(program: Command): void {
  upOptions(
    program
      .command('demo')
      .description('the main job, from nothing to a running service and back, on real engines'),
  )
    .option('--keep', 'leave the site and the service running', false)
    .action(async (options: UpOptions & { keep: boolean }, command: Command) => {
      const { json = false, dataDir } = globals(command);
      const say = (line: string) => (json ? console.error(line) : console.log(line));
      const demoDir = join(dataDir, 'demo');
      const site = await TiedSite.start(demoDir, upFlags(options), (line) => say(`  ${line}`));
      const operations: OperationRow[] = [];
      let result: ScenarioResult;
      try {
        result = await runScenario(site, await readFile(MANIFEST, 'utf8'), {
          operations,
          keep: options.keep,
          say,
        });
      } catch (error) {
        await site.stop();
        if (json)
          printJson({
            ok: false,
            error: (error as Error).message,
            operations,
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
      if (json) printJson({ ok, operations, usage, invariants });
      if (!ok) throw new CliError('The system broke an invariant.', EXIT.operationFailed);
    });
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

function upFlags(options: UpOptions): string[] {
  const named: [string, string | undefined][] = [
    ['--hosts', options.hosts],
    ['--zones', options.zones],
    ['--driver', options.driver],
    ['--api-port', options.apiPort],
    ['--temporal-port', options.temporalPort],
    ['--temporal-ui-port', options.temporalUiPort],
    ['--mongodb-port', options.mongodbPort],
  ];
  return [
    ...named.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value])),
    ...(options.durable ? ['--durable'] : []),
  ];
}
