import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { cacheDir } from '../lib/cache-dir';
import { findOnPath, run } from '../lib/program';

const FOLDERS = ['bin', 'proc', 'sys', 'dev', 'tmp', 'run', 'data', 'etc'];

/**
 * The root file system of the `busybox` image: one static program and links to it, cached by the program's
 * digest and mounted read-only into every VEE. The program is the one on PATH, or Debian's package.
 * @returns the folder
 */
export async function busyboxRootFs(): Promise<string> {
  const program = (await staticBusybox()) ?? (await fromDebian());
  const digest = createHash('sha256')
    .update(await readFile(program))
    .digest('hex')
    .slice(0, 16);
  const target = join(cacheDir(), 'images', `busybox-${digest}`);
  if (existsSync(target)) return target;

  await mkdir(join(cacheDir(), 'images'), { recursive: true });
  const building = await mkdtemp(join(cacheDir(), 'images', '.building-'));
  for (const folder of FOLDERS) await mkdir(join(building, folder));
  await copyFile(program, join(building, 'bin', 'busybox'));
  await chmod(join(building, 'bin', 'busybox'), 0o755);
  const { stdout } = await run([program, '--list']);
  for (const applet of stdout.split('\n').filter((a) => a !== '' && a !== 'busybox'))
    await symlink('busybox', join(building, 'bin', applet));
  await chmod(building, 0o755);
  // Several agents may build at once: the first rename wins, the others find its result.
  await rename(building, target).catch(async (error) => {
    await rm(building, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  });
  return target;
}

async function staticBusybox(): Promise<string | undefined> {
  const path = findOnPath('busybox');
  if (!path) return undefined;
  // `ldd` fails on a static program; a dynamic one would not start without its libraries.
  return (await run(['ldd', path])).exitCode === 0 ? undefined : path;
}

async function fromDebian(): Promise<string> {
  const unpacked = join(cacheDir(), 'busybox-static');
  const program = join(unpacked, 'bin', 'busybox');
  if (existsSync(program)) return program;
  if (!findOnPath('apt-get') || !findOnPath('dpkg'))
    throw new SluiceError(
      'image-unknown',
      'The busybox image needs a static busybox on PATH, or Debian’s apt-get to fetch one.',
    );
  const work = await mkdtemp(join(tmpdir(), 'sluice-busybox-'));
  try {
    const got = await run(['sh', '-c', `cd "${work}" && apt-get download busybox-static`], {
      timeoutMillis: 120_000,
    });
    const deb = (await readdir(work)).find((f) => f.endsWith('.deb'));
    if (got.exitCode !== 0 || !deb)
      throw new SluiceError(
        'image-unknown',
        'apt-get could not download busybox-static; try: apt-get update',
        { cause: got.stderr },
      );
    await run(['dpkg', '-x', join(work, deb), join(work, 'x')]);
    await mkdir(join(unpacked, 'bin'), { recursive: true });
    const found = ['bin/busybox', 'usr/bin/busybox']
      .map((p) => join(work, 'x', p))
      .find((p) => existsSync(p));
    if (!found) throw new SluiceError('image-unknown', 'The package busybox-static holds no busybox.');
    await copyFile(found, `${program}.${process.pid}`);
    await chmod(`${program}.${process.pid}`, 0o755);
    await rename(`${program}.${process.pid}`, program);
    return program;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
