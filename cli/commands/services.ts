import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { SluiceError } from '../../domain/errors';
import { utcText } from '../../domain/utc';
import { clientOf, conclude, findService, findVee, globals } from '../context';
import { warnIfNothingEnds } from '../ends-warning';
import { CliError, EXIT } from '../exit-codes';
import { printJson } from '../output';
import { describeFinding, inTermsOf } from '../problem';
import { timeOf } from '../times';
import { namesService, type OperationOptions, operationOptions } from './operation-options';

export async function readManifestFile(file: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(`${file} can't be read: ${(error as Error).message}`, EXIT.usage);
  }
}

export function count(flag: string, given: string): number {
  if (/^\d+$/.test(given)) return Number(given);
  throw new CliError(`${flag} takes a whole number from 0 up, not "${given}".`, EXIT.usage);
}

/** Commands that ask for operations on services and VEEs. */
export function registerServiceCommands(program: Command): void {
  program
    .command('validate')
    .description('check a manifest without a running system')
    .requiredOption('-f, --file <file>', 'the manifest, or - for standard input')
    .action(async (options: { file: string }, command: Command) => {
      const manifestText = await readManifestFile(options.file);
      // Takes longer to load than most commands take.
      const { parseManifest } = await import('../../domain/manifest/parse');
      try {
        const manifest = parseManifest(manifestText);
        if (globals(command).json)
          printJson({ valid: true, name: manifest.name, components: manifest.components.length });
        else
          console.log(
            `${options.file} is valid: service ${manifest.name}, ${manifest.components.length} components`,
          );
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        const problem = { valid: false, code: error.code, detail: error.message, errors: error.errors };
        const lines = (error.errors ?? []).map((f) => `  ${describeFinding(f)}`);
        throw new CliError(
          [
            `${options.file} is not valid (${error.code})`,
            ...(lines.length > 0 ? lines : [`  ${error.message}`]),
          ].join('\n'),
          EXIT.usage,
          problem,
        );
      }
    });

  operationOptions(program.command('scale <service/component> <instances>'))
    .description('set how many instances a component has')
    .action(async (target: string, instances: string, options: OperationOptions, command: Command) => {
      const [serviceName, component] = target.split('/');
      if (!serviceName || !component) throw new CliError(`"${target}" is not SERVICE/COMPONENT.`, EXIT.usage);
      const wanted = count('<instances>', instances);
      const client = await clientOf(command);
      const service = await findService(client, serviceName);
      const path = `/v1/services/${service.id}/components/${encodeURIComponent(component)}/scale?dryRun=${options.dryRun}`;
      const asked = client.write('POST', path, { instances: wanted });
      await conclude(command, client, await inTermsOf({ '/instances': '<instances>' }, asked), options.wait);
    });

  program
    .command('extend <service>')
    .description('say when a service is to end by itself, or that it is not to')
    .option('--until <time>', 'a time, or a duration from now')
    .option('--forever', 'it does not end by itself', false)
    .action(
      async (
        target: string,
        options: { readonly until?: string; readonly forever: boolean },
        command: Command,
      ) => {
        const { until, forever } = options;
        if ((until === undefined) === !forever) throw new CliError('Give --until or --forever.', EXIT.usage);
        const at = until === undefined ? null : timeOf('--until', until);
        const client = await clientOf(command);
        const { id, name } = await findService(client, target);
        if (at !== null) await warnIfNothingEnds(client);
        const asked = client.write<{ until?: number }>('PUT', `/v1/services/${id}/end`, { until: at });
        const answer = await inTermsOf({ '/until': '--until' }, asked);
        if (globals(command).json) printJson(answer);
        else
          console.log(
            answer.until === undefined
              ? `${name} does not end by itself.`
              : `${name} ends at ${utcText(answer.until)}.`,
          );
      },
    );

  const veeVerbs = {
    pause: 'freeze',
    resume: 'let run again',
    suspend: 'save to disk',
    restore: 'bring back from disk',
    restart: 'stop and start',
  };
  for (const [verb, what] of Object.entries(veeVerbs)) {
    const services = verb === 'suspend' || verb === 'resume';
    operationOptions(program.command(`${verb} <target>`))
      .description(`${what} a VEE (id or SERVICE/COMPONENT/INDEX)${services ? ', or a whole SERVICE' : ''}`)
      .action(async (target: string, options: OperationOptions, command: Command) => {
        const client = await clientOf(command);
        const whole = services && namesService(target);
        const path = whole
          ? `/v1/services/${(await findService(client, target)).id}/${verb}`
          : `/v1/vees/${await findVee(client, target)}/${verb}`;
        const answer = await client.write('POST', `${path}?dryRun=${options.dryRun}`);
        await conclude(command, client, answer, options.wait);
      });
  }

  operationOptions(program.command('resize <vee>'))
    .description('change the processor and memory of a running VEE')
    .option('--cpu-millis <n>', 'thousandths of a core')
    .option('--memory-mib <n>', 'MiB')
    .option('--allow-restart', 'stop it for that where its driver can’t resize what runs', false)
    .action(
      async (
        target: string,
        options: OperationOptions & { cpuMillis?: string; memoryMib?: string; allowRestart: boolean },
        command: Command,
      ) => {
        if (options.cpuMillis === undefined && options.memoryMib === undefined)
          throw new CliError('Give --cpu-millis, --memory-mib or both.', EXIT.usage);
        const client = await clientOf(command);
        const body = {
          ...(options.cpuMillis ? { cpuMillis: count('--cpu-millis', options.cpuMillis) } : {}),
          ...(options.memoryMib ? { memoryMiB: count('--memory-mib', options.memoryMib) } : {}),
          ...(options.allowRestart ? { allowRestart: true } : {}),
        };
        const path = `/v1/vees/${await findVee(client, target)}/resize?dryRun=${options.dryRun}`;
        const names = { '/cpuMillis': '--cpu-millis', '/memoryMiB': '--memory-mib' };
        const answer = await inTermsOf(names, client.write('POST', path, body));
        await conclude(command, client, answer, options.wait);
      },
    );

  const remove = program.command('delete').description('remove things');
  operationOptions(remove.command('service <name>'), 'show what would end')
    .description('decommission a service: every VEE of it ends')
    .action(async (name: string, options: OperationOptions, command: Command) => {
      const client = await clientOf(command);
      const service = await findService(client, name);
      if (!globals(command).json)
        console.log(`service ${service.name} of tenant ${service.tenantId} (${service.id})`);
      await conclude(
        command,
        client,
        await client.write('DELETE', `/v1/services/${service.id}?dryRun=${options.dryRun}`),
        options.wait,
      );
    });
}
