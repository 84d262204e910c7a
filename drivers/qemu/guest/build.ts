import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SluiceError } from '../../../domain/errors';
import { readJson, writeJson } from '../../lib/atomic-file';
import { cacheDir } from '../../lib/cache-dir';
import { findOnPath, run } from '../../lib/program';
import { type CpioEntry, cpio, file, folder, link } from './cpio';
import { INIT, MODULES, SHUTDOWN } from './init';

/** A machine that boots in seconds and does what a VEE's template says: a kernel and its first file system. */
export interface TestGuest {
  readonly kernel: string;
  readonly initrd: string;
  /** Of all that it is made from: the same on each host that built it from the same packages. */
  readonly digest: string;
}

const KERNEL = 'linux-image-cloud-amd64';
const PACKAGES = ['busybox-static', 'qemu-guest-agent'];
const DOWNLOAD_MILLIS = 300_000;
const FOLDERS = [
  'bin',
  'sbin',
  'dev',
  'proc',
  'sys',
  'run',
  'tmp',
  'data',
  'etc',
  'etc/acpi',
  'etc/acpi/PWRF',
  'modules',
];

const guestsDir = () => join(cacheDir(), 'guests');
/** Of what we put in ourselves; with another, the guest is built anew. */
const recipe = () =>
  createHash('sha256')
    .update(JSON.stringify([INIT, SHUTDOWN, MODULES, PACKAGES, KERNEL]))
    .digest('hex')
    .slice(0, 12);

/** The guest that was built here before, if any. Looks, and changes nothing. */
export async function builtGuest(): Promise<TestGuest | undefined> {
  const built = await readJson<{ digest: string }>(join(guestsDir(), `${recipe()}.json`));
  if (!built) return undefined;
  const at = join(guestsDir(), built.digest);
  return existsSync(at) ? guestIn(at) : undefined;
}

/** What keeps the guest from being built here; undefined when nothing does. */
export const guestObstacle = (): string | undefined =>
  process.arch !== 'x64'
    ? 'an x86-64 machine'
    : ['apt-get', 'apt-cache', 'dpkg'].find((program) => !findOnPath(program));

/**
 * The guest, built from Debian's packages when it is not there yet (about 33 MB to download, 5 s): kernel, static
 * busybox, and the real guest agent with the libraries that its loader names.
 * @throws SluiceError `image-unknown` where that can't be
 */
export async function testGuest(): Promise<TestGuest> {
  const built = await builtGuest();
  if (built) return built;
  const missing = guestObstacle();
  if (missing) throw new SluiceError('image-unknown', `The test guest needs ${missing} to be built.`);
  await mkdir(guestsDir(), { recursive: true });
  const work = await mkdtemp(join(guestsDir(), '.building-'));
  try {
    const debs = await download(work);
    const digest = createHash('sha256').update(recipe());
    const tree = join(work, 'tree');
    for (const deb of debs) {
      digest.update(await readFile(deb));
      await must(['dpkg', '-x', deb, tree]);
    }
    const name = digest.digest('hex').slice(0, 16);
    const out = join(work, 'out');
    await mkdir(out);
    await assemble(tree, out);
    // Several agents may build at once: the first rename wins, the others find its result.
    await rename(out, join(guestsDir(), name)).catch((error) => {
      if (!existsSync(join(guestsDir(), name))) throw error;
    });
    await writeJson(join(guestsDir(), `${recipe()}.json`), { digest: name });
    return guestIn(join(guestsDir(), name));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const guestIn = (at: string): TestGuest => ({
  kernel: join(at, 'vmlinuz'),
  initrd: join(at, 'initrd'),
  digest: basename(at),
});

async function download(work: string): Promise<string[]> {
  const names = [await kernelPackage(), ...PACKAGES, ...(await librariesOf('qemu-guest-agent'))];
  await must(['apt-get', 'download', '-q', ...names], work);
  const files = (await readdir(work)).filter((f) => f.endsWith('.deb')).sort();
  return files.map((f) => join(work, f));
}

/** The one with the kernel in it: the package by the general name has only a dependency. */
async function kernelPackage(): Promise<string> {
  const { stdout } = await must(['apt-cache', 'show', '--no-all-versions', KERNEL]);
  const found = /^Depends: .*?(linux-image-[a-z0-9.+-]+)/m.exec(stdout)?.[1];
  if (!found) throw new SluiceError('image-unknown', `${KERNEL} names no kernel; try: apt-get update`);
  return found;
}

/** With those that they need in turn. */
async function librariesOf(name: string): Promise<string[]> {
  const { stdout } = await must(['apt-cache', 'depends', '--recurse', '--important', name]);
  const names = stdout.split('\n').filter((l) => /^lib[a-z0-9.+-]+$/.test(l));
  return [...new Set(names)].sort();
}

async function assemble(tree: string, out: string): Promise<void> {
  const [kernel] = (await readdir(join(tree, 'boot'))).filter((f) => f.startsWith('vmlinuz-'));
  if (!kernel) throw new SluiceError('image-unknown', 'The kernel package holds no kernel.');
  await copyFile(join(tree, 'boot', kernel), join(out, 'vmlinuz'));
  const release = kernel.slice('vmlinuz-'.length);
  const entries: CpioEntry[] = [
    ...FOLDERS.map((f) => folder(f)),
    file('init', INIT, 0o755),
    file('sbin/shutdown', SHUTDOWN, 0o755),
    file('etc/acpi/PWRF/00000080', SHUTDOWN, 0o755),
    file('modules/order', MODULES.map((m) => basename(m)).join('\n')),
    ...(await programs(tree)),
  ];
  for (const module of MODULES)
    entries.push(
      file(`modules/${basename(module)}`, await readFile(join(tree, 'lib/modules', release, module))),
    );
  // Not compressed: a machine under emulation takes longer to unpack than QEMU to hand over what is not packed.
  await writeFile(join(out, 'initrd'), cpio(entries));
}

/** Busybox with its links, and the guest agent with what the package's own loader finds that it needs. */
async function programs(tree: string): Promise<CpioEntry[]> {
  const busybox = firstOf(tree, 'bin/busybox', 'usr/bin/busybox');
  const { stdout } = await must([busybox, '--list']);
  const applets = stdout.split('\n').filter((a) => a !== '' && a !== 'busybox');
  const agent = firstOf(tree, 'usr/sbin/qemu-ga', 'usr/bin/qemu-ga');
  const loader = firstOf(tree, 'lib64/ld-linux-x86-64.so.2', 'usr/lib64/ld-linux-x86-64.so.2');
  const folders = ['lib', 'usr/lib'].map((f) => join(tree, f, 'x86_64-linux-gnu')).join(':');
  const listed = (await must([loader, '--library-path', folders, '--list', agent])).stdout;
  const libraries = [...listed.matchAll(/^\s*(\S+) => (\S+)/gm)].map(([, name = '', path = '']) => ({
    name,
    path,
  }));
  return [
    file('bin/busybox', await readFile(busybox), 0o755),
    ...applets.map((a) => link(`bin/${a}`, 'busybox')),
    folder('lib64'),
    folder('lib'),
    folder('lib/x86_64-linux-gnu'),
    file('lib64/ld-linux-x86-64.so.2', await readFile(loader), 0o755),
    ...(await Promise.all(
      libraries
        .filter(({ name }) => !name.startsWith('/'))
        .map(async ({ name, path }) => file(`lib/x86_64-linux-gnu/${name}`, await readFile(path), 0o755)),
    )),
    file('sbin/qemu-ga', await readFile(agent), 0o755),
  ];
}

function firstOf(tree: string, ...paths: string[]): string {
  const found = paths.map((p) => join(tree, p)).find((p) => existsSync(p));
  if (!found) throw new SluiceError('image-unknown', `The packages hold no ${paths[0]}.`);
  return found;
}

async function must(command: readonly string[], cwd?: string) {
  const result = await run(command, { timeoutMillis: DOWNLOAD_MILLIS, ...(cwd ? { cwd } : {}) });
  if (result.exitCode === 0) return result;
  throw new SluiceError(
    'image-unknown',
    `The test guest could not be built: ${command[0]} failed; try: apt-get update`,
    {
      cause: result.stderr,
    },
  );
}
