import { existsSync, lstatSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { resolverFile } from '../../domain/network/resolver';
import { authorizedKeys, modeOf, type ToldContext } from '../lib/vee-context';
import type { Mount } from './bundle';

/** Where a container finds what it is told: `vee.json`, `user-data`, `authorized_keys`. */
const TOLD_AT = '/run/sluice';
/** Each VEE has these for itself: a file there needs no more than a place in them. */
const OWN = ['run', 'tmp', 'data'];
const READ_ONLY = ['ro', 'nosuid', 'nodev'];

interface Staged {
  /** Below the staging folder. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** What an earlier VEE of that id was told. */
export const forgetContext = (folder: string): Promise<void> =>
  rm(join(folder, 'context'), { recursive: true, force: true });

/**
 * Writes what a container is told into its folder, and tells how it gets to see it. Written once: a container that
 * runs has it mounted, and it never changes.
 * @param folder of the VEE
 * @param rootFs of its image, which many share: what is mounted over it must be mounted where it has a folder
 */
export async function stageContext(folder: string, told: ToldContext, rootFs: string): Promise<Mount[]> {
  const staging = join(folder, 'context');
  const root = join(staging, 'root');
  const files = told.files.map((file) => ({ ...file, top: file.path.split('/')[1] ?? '' }));
  const over = files.filter((f) => !OWN.includes(f.top));
  const within = files.filter((f) => OWN.includes(f.top));
  if (!existsSync(staging)) {
    const half = `${staging}.half`;
    await rm(half, { recursive: true, force: true });
    await stage(half, [
      { path: 'sluice/vee.json', content: JSON.stringify(told.identity), mode: 0o644 },
      ...(told.userData === undefined
        ? []
        : [{ path: 'sluice/user-data', content: told.userData, mode: 0o600 }]),
      ...(told.sshKeys.length > 0
        ? [{ path: 'sluice/authorized_keys', content: authorizedKeys(told.sshKeys), mode: 0o644 }]
        : []),
      { path: 'root/etc/hostname', content: `${told.hostname}\n`, mode: 0o644 },
      { path: 'root/etc/hosts', content: hostsFile(told), mode: 0o644 },
      ...(told.resolvers.length > 0
        ? [{ path: 'root/etc/resolv.conf', content: resolverFile(told.resolvers), mode: 0o644 }]
        : []),
      ...over.map((f) => ({ path: join('root', f.path), content: f.content, mode: modeOf(f) })),
      ...within.map((f, i) => ({ path: `within/${i}`, content: f.content, mode: modeOf(f) })),
    ]);
    await rename(half, staging);
  }
  // Not what a link of the image leads to: on the host that may be something else.
  const isFolder = (top: string) =>
    lstatSync(join(rootFs, top), { throwIfNoEntry: false })?.isDirectory() === true;
  const tops = (await readdir(root)).sort().filter(isFolder);
  const nowhere = over.find((f) => !tops.includes(f.top));
  if (nowhere)
    throw new SluiceError(
      'driver-refused',
      `${nowhere.path} can't be put there: the image has no folder /${nowhere.top}.`,
    );
  return [
    { destination: TOLD_AT, type: 'bind', source: join(staging, 'sluice'), options: ['bind', ...READ_ONLY] },
    ...tops.map((top) => overlay(`/${top}`, join(root, top), join(rootFs, top))),
    ...within.map(({ path }, i) => ({
      ...{ destination: path, type: 'bind', source: join(staging, 'within', String(i)) },
      options: ['bind', ...READ_ONLY],
    })),
  ];
}

function hostsFile({ hostname, hosts }: ToldContext): string {
  const named = hosts.some((h) => h.name === hostname)
    ? hosts
    : [{ name: hostname, address: '127.0.1.1' }, ...hosts];
  const lines = [
    '127.0.0.1 localhost',
    '::1 localhost ip6-localhost',
    ...named.map((h) => `${h.address} ${h.name}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** What is told lies over what the image has there; of the image itself nothing is changed. */
function overlay(destination: string, upper: string, lower: string): Mount {
  const layers = [upper, lower].map((path) => path.replace(/[\\:,]/g, '\\$&')).join(':');
  return { destination, type: 'overlay', source: 'overlay', options: [...READ_ONLY, `lowerdir=${layers}`] };
}

async function stage(folder: string, files: readonly Staged[]): Promise<void> {
  for (const { path, content, mode } of files) {
    const at = join(folder, path);
    await mkdir(dirname(at), { recursive: true, mode: 0o755 });
    await writeFile(at, content);
    await chmod(at, mode);
  }
}
