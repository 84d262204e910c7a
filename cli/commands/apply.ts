import type { Command } from 'commander';
import type { ApiClient, OperationView } from '../client';
import { clientOf, conclude, globals } from '../context';
import { warnIfNothingEnds } from '../ends-warning';
import { CliError, EXIT } from '../exit-codes';
import { inTermsOf } from '../problem';
import { timeOf } from '../times';
import { type OperationOptions, operationOptions } from './operation-options';
import { readManifestFile } from './services';

const YAML = 'application/yaml';

interface ApplyOptions extends OperationOptions {
  readonly file: string;
  readonly tenant?: string;
  readonly until?: string;
  readonly reservation?: string;
}

const FLAGS = {
  '/query/tenant': '--tenant',
  '/query/until': '--until',
  '/query/reservation': '--reservation',
};

/** A manifest is applied: to nothing, which makes a service, or to a service, which becomes as it says. */
export function registerApplyCommands(program: Command): void {
  for (const verb of ['plan', 'apply'] as const)
    operationOptions(program.command(verb), 'plan only', verb === 'plan')
      .description(
        verb === 'plan'
          ? 'show what a manifest would change: where VEEs would be placed, and what becomes of those that are there'
          : 'make a service from its manifest, or re-compose the one that is there',
      )
      .requiredOption('-f, --file <file>', 'the manifest, or - for standard input')
      .option('--tenant <name>', 'whose service it is (operators must say)')
      .option('--until <time>', 'when a new service is to end: a time, or a duration from now')
      .option('--reservation <name>', 'a new service uses what is promised to it, and ends with it')
      .action(async (options: ApplyOptions, command: Command) => {
        const client = await clientOf(command);
        const manifest = await readManifestFile(options.file);
        const say = (line: string) => {
          if (!globals(command).json) console.log(line);
        };
        if (options.until !== undefined || options.reservation !== undefined) await warnIfNothingEnds(client);
        const asked = apply(client, manifest, options, say);
        await conclude(command, client, await inTermsOf(FLAGS, asked), options.wait);
      });
}

async function apply(
  client: ApiClient,
  manifest: string,
  { tenant, until, reservation, dryRun }: ApplyOptions,
  say: (line: string) => void,
): Promise<unknown> {
  const query = new URLSearchParams({
    dryRun: String(dryRun),
    ...(tenant ? { tenant } : {}),
    ...(until ? { until: String(timeOf('--until', until)) } : {}),
    ...(reservation ? { reservation } : {}),
  });
  const recompose = (serviceId: string) =>
    client.write('PUT', `/v1/services/${serviceId}?dryRun=${dryRun}`, manifest, YAML);
  let answer: OperationView;
  try {
    answer = await client.write('POST', `/v1/services?${query}`, manifest, YAML);
  } catch (error) {
    const serviceId = existing(error);
    if (serviceId === undefined) throw error;
    if (until !== undefined || reservation !== undefined)
      throw new CliError(
        `${serviceId} is there with another manifest: give it another end with sluice extend, and apply without one.`,
        EXIT.conflict,
      );
    say(`${serviceId} is there with another manifest: ${dryRun ? 'the difference' : 're-composing it'}.`);
    return recompose(serviceId);
  }
  // What failed was given up alone, and the rest operates: the same manifest again makes good what is missing.
  if (answer.state !== 'stuck' || answer.endedAt === undefined) return answer;
  say(`${answer.kind} ${answer.id} was kept although parts of it failed: making good what is missing.`);
  return recompose(answer.serviceId);
}

function existing(error: unknown): string | undefined {
  if (!(error instanceof CliError)) return undefined;
  const { code, serviceId } = (error.problem ?? {}) as { code?: unknown; serviceId?: unknown };
  return code === 'already-exists' && typeof serviceId === 'string' ? serviceId : undefined;
}
