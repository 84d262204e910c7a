import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { ApiClient } from '../client';
import { clientOf, conclude, findVee, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { download, type ImageAnswer, sha256Of, upload } from '../image-transfer';
import { ago, printJson, table } from '../output';
import { inTermsOf } from '../problem';
import { type OperationOptions, operationOptions } from './operation-options';
import { count } from './services';

const FLAGS = {
  '/name': '--name',
  '/format': '--format',
  '/sha256': '--sha256',
  '/from/url': '--from-url',
  '/from/path': '--from-path',
  '/leastMemoryMiB': '--least-memory-mib',
  '/leastDiskMiB': '--least-disk-mib',
  '/query/tenant': '--tenant',
  '/tenants': '--with',
};
const FORMAT_OF: readonly [RegExp, string][] = [
  [/\.qcow2$/, 'qcow2'],
  [/\.(raw|img)$/, 'raw'],
  [/\.oci(\.tar)?$/, 'oci'],
  [/\.(tar|tar\.gz|tgz)$/, 'tar'],
];

interface RegisterOptions {
  readonly name?: string;
  readonly format?: string;
  readonly tenant?: string;
  readonly fromUrl?: string;
  readonly fromPath?: string;
  readonly sha256?: string;
  readonly leastMemoryMib?: string;
  readonly leastDiskMib?: string;
}

/** The site's registry of images. */
export function registerImageCommands(program: Command): void {
  const image = program.command('image').description('images of the registry, that VEEs run from');
  image
    .command('register [file]')
    .description(
      'upload an image, or have the API take it from a path or an address; goes on where it was cut',
    )
    .option('--name <name>', 'what manifests call it (default: the file’s name)')
    .option('--format <format>', 'qcow2, raw, tar or oci (default: by the file’s name)')
    .option('--tenant <name>', 'whose it is to be (operators; default: the site’s)')
    .option(
      '--from-path <path>',
      'a file below the API’s SLUICE_IMAGE_SOURCES, instead of an upload (operators)',
    )
    .option('--from-url <url>', 'an address, instead of an upload (operators)')
    .option('--sha256 <hex>', 'of its content: has to be said with --from-path and --from-url')
    .option('--least-memory-mib <n>', 'what an instance needs at least')
    .option('--least-disk-mib <n>', 'what an instance needs at least')
    .action(async (file: string | undefined, options: RegisterOptions, command: Command) => {
      const client = await clientOf(command);
      const made = await register(client, file, options, progressOf(command));
      if (globals(command).json) printJson(made);
      else console.log(`${made.reference} is ${made.state} (${made.sizeBytes} bytes)`);
    });
  operationOptions(image.command('create <name>'), 'only say what would be done')
    .description(
      'make a warm image of a VEE as it runs: others go on from it, each as itself, instead of booting',
    )
    .requiredOption('--from <vee>', 'an id or SERVICE/COMPONENT/INDEX; it stands still for a moment')
    .action(async (name: string, options: OperationOptions & { from: string }, command: Command) => {
      const client = await clientOf(command);
      const path = `/v1/vees/${await findVee(client, options.from)}/capture?dryRun=${options.dryRun}`;
      const answer = await inTermsOf({ '/name': 'NAME' }, client.write('POST', path, { name }));
      await conclude(command, client, answer, options.wait);
    });
  image
    .command('list')
    .description('which there are')
    .action(async (_options: unknown, command: Command) => {
      const items = await listed(await clientOf(command));
      if (globals(command).json) return printJson({ items });
      console.log(
        table(
          ['name', 'owner', 'format', 'size', 'state', 'shared with', 'hosts', 'version', 'age'],
          items.map((i) => [
            ...[i.name, i.owner ?? '(hosts)', i.format ?? '', i.sizeBytes ? sizeText(i.sizeBytes) : ''],
            stateOf(i),
            ...[i.sharedWith?.join(', ') ?? '', i.hosts ?? '', i.sha256?.slice(0, 12) ?? ''],
            i.createdAt ? ago(i.createdAt) : '',
          ]),
        ),
      );
    });
  for (const verb of ['share', 'unshare'] as const)
    image
      .command(`${verb} <image>`)
      .description(verb === 'share' ? 'let other tenants use it, as OWNER/NAME' : 'let them use it no more')
      .requiredOption('--with <tenants>', 'their names, with commas')
      .action(async (name: string, options: { with: string }, command: Command) => {
        const tenants = options.with.split(',').map((t) => t.trim());
        await change(command, name, verb, { tenants });
      });
  for (const verb of ['deprecate', 'undeprecate'] as const)
    image
      .command(`${verb} <image>`)
      .description(
        verb === 'deprecate'
          ? 'have its name mean this version no more; what runs from it goes on'
          : 'have its name mean this version again',
      )
      .action((name: string, _options: unknown, command: Command) => change(command, name, verb));
  image
    .command('clone <image> <name>')
    .description('the same content under another name, that stays when the first one goes')
    .option('--tenant <name>', 'whose it is to be (operators; default: the site’s)')
    .action((name: string, to: string, options: { tenant?: string }, command: Command) =>
      change(command, name, `clone${options.tenant ? `?tenant=${options.tenant}` : ''}`, { name: to }),
    );
  image
    .command('pull <image>')
    .description('fetch its content into a file, and prove it; goes on where it was cut')
    .requiredOption('-o, --output <file>', 'where to')
    .action(async (name: string, options: { output: string }, command: Command) => {
      const client = await clientOf(command);
      const found = await findImage(client, name);
      await download(client, found, options.output, progressOf(command)(found.sizeBytes));
      if (globals(command).json) printJson({ ...found, file: options.output });
      else console.log(`${options.output} is ${found.reference}`);
    });
  image
    .command('delete <image>')
    .description('remove it from the registry; refused while something uses it')
    .option('--dry-run', 'only say whether it could be', false)
    .action(async (name: string, options: { dryRun: boolean }, command: Command) => {
      const client = await clientOf(command);
      const found = await findImage(client, name, true);
      await client.write('DELETE', `/v1/images/${found.id}?dryRun=${options.dryRun}`);
      const answer = { id: found.id, reference: found.reference, removed: !options.dryRun };
      if (globals(command).json) printJson(answer);
      else console.log(`${found.reference} ${options.dryRun ? 'is used by nothing' : 'is gone'}`);
    });
}

async function register(
  client: ApiClient,
  file: string | undefined,
  options: RegisterOptions,
  progress: (of: number) => (bytes: number) => void,
): Promise<ImageAnswer> {
  const { fromPath: path, fromUrl: url } = options;
  const origin = file ?? path ?? url;
  if (origin === undefined || [file, path, url].filter((o) => o !== undefined).length > 1)
    throw new CliError('Say one of: a file, --from-path or --from-url.', EXIT.usage);
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file !== undefined && !found?.isFile()) throw new CliError(`There is no file ${file}.`, EXIT.usage);
  const sha256 = file === undefined ? options.sha256 : await sha256Of(file);
  if (sha256 === undefined || (options.sha256 !== undefined && options.sha256 !== sha256))
    throw new CliError(
      sha256 === undefined ? 'Say its SHA-256: --sha256 HEX.' : `${file} has the SHA-256 ${sha256}.`,
      EXIT.usage,
    );
  const format = options.format ?? FORMAT_OF.find(([pattern]) => pattern.test(origin))?.[1];
  if (format === undefined)
    throw new CliError('Say its format: --format qcow2, raw, tar or oci.', EXIT.usage);
  const body = {
    name:
      options.name ??
      basename(origin)
        .replace(/\.(qcow2|raw|img|oci|tgz|gz|tar)+$/g, '')
        .replace(/\.(oci|tar)$/, ''),
    ...{ format, sha256 },
    ...(found ? { sizeBytes: found.size } : { from: path === undefined ? { url } : { path } }),
    ...(options.leastMemoryMib
      ? { leastMemoryMiB: count('--least-memory-mib', options.leastMemoryMib) }
      : {}),
    ...(options.leastDiskMib ? { leastDiskMiB: count('--least-disk-mib', options.leastDiskMib) } : {}),
  };
  const query = options.tenant ? `?tenant=${encodeURIComponent(options.tenant)}` : '';
  const made = await inTermsOf(FLAGS, client.write<ImageAnswer>('POST', `/v1/images${query}`, body));
  return file === undefined ? made : upload(client, made, file, progress(made.sizeBytes));
}

async function change(command: Command, name: string, verb: string, body?: unknown): Promise<void> {
  const client = await clientOf(command);
  const { id } = await findImage(client, name);
  const changed = await inTermsOf(FLAGS, client.write<ImageAnswer>('POST', `/v1/images/${id}/${verb}`, body));
  if (globals(command).json) return printJson(changed);
  const shared = changed.sharedWith?.length ? `, shared with ${changed.sharedWith.join(', ')}` : '';
  console.log(`${changed.reference} is ${stateOf(changed)}${shared}`);
}

/** So many of a version’s digits does the list show. */
const LEAST_DIGITS = 12;
const listed = async (client: ApiClient) => (await client.get<{ items: ImageAnswer[] }>('/v1/images')).items;

/**
 * By its id, its reference, OWNER/NAME or NAME, with as much of @sha256:… as the list shows. Of several versions a name
 * means the newest that is not deprecated, as it does in manifests; but what is to be gone has to be said.
 */
async function findImage(client: ApiClient, name: string, oneOnly = false): Promise<ImageAnswer> {
  const items = (await listed(client)).filter((i) => i.id !== undefined);
  const [plain = name, digest] = name.split('@sha256:');
  const exact = items.filter((i) => [i.id, i.reference].includes(name));
  const named = items.filter(
    (i) =>
      [i.name, `${i.owner}/${i.name}`].includes(plain) &&
      (digest === undefined || (digest.length >= LEAST_DIGITS && i.sha256?.startsWith(digest))),
  );
  let found = exact.length > 0 ? exact : named;
  const oneOwner = new Set(found.map((i) => i.owner)).size === 1;
  if (found.length > 1 && digest === undefined && oneOwner && !oneOnly) {
    const meant = found.filter((i) => i.state === 'ready' && !i.deprecated);
    const newest = (meant.length > 0 ? meant : found).toSorted(
      (a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0),
    );
    found = newest.slice(0, 1);
  }
  if (found.length > 1) {
    const choices = found.map((i) => `${i.owner}/${i.name}@sha256:${i.sha256?.slice(0, LEAST_DIGITS)}`);
    throw new CliError(`"${name}" is more than one image: say which of ${choices.join(', ')}.`, EXIT.usage);
  }
  if (!found[0]) throw new CliError(`There is no image "${name}" in the registry.`, EXIT.notFound);
  return found[0];
}

const stateOf = ({ state, deprecated, uploadedBytes, sizeBytes }: ImageAnswer): string =>
  state === 'uploading'
    ? `uploading, ${percent(uploadedBytes ?? 0, sizeBytes)}`
    : deprecated
      ? 'deprecated'
      : (state ?? 'ready');

const percent = (bytes: number, of: number) => `${Math.floor((bytes / of) * 100)} %`;
const sizeText = (bytes: number) =>
  bytes < 1_048_576 ? `${bytes} B` : `${Math.ceil(bytes / 1_048_576)} MiB`;

/** A line that changes, on a terminal; nothing where somebody reads it later. */
function progressOf(command: Command): (of: number) => (bytes: number) => void {
  const shown = process.stderr.isTTY && !globals(command).json;
  return (of) => {
    let last = '';
    return (bytes) => {
      const text = percent(bytes, of);
      if (!shown || text === last) return;
      last = text;
      process.stderr.write(`\r${text}${bytes >= of ? '\r     \r' : ''}`);
    };
  };
}
