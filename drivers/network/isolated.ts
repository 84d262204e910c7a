import { createHash } from 'node:crypto';
import { mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { readJson, writeJson } from '../lib/atomic-file';
import { isAlive, type ProcessIdentity, startTimeOf } from '../lib/process-identity';
import { run } from '../lib/program';
import type { NetworkConfig } from './config';
import { exclusivelyIn } from './lock';
import { isPort } from './names';
import { NAMESPACES, Tools } from './tools';

/*
 * Hosts of one machine that reach each other only as machines do: each has a network namespace of its own, and all are on
 * one underlay. That is a namespace, too: nothing of it is seen in the machine's own. Agents stay there; only what VEEs
 * use is in here.
 */

const OWNERS = '/run/sluice/networks';
const UNDERLAY = 'underlay';
/** Room for the header of a VXLAN, so that nothing is cut in two. */
const UNDERLAY_MTU = 9_000;
/** Of the range for carriers' own use (RFC 6598), which no VEE is given. */
const addressOf = (index: number): string => `100.64.${(index + 1) >> 8}.${(index + 1) & 0xff}`;

interface Owner {
  readonly dataDir: string;
  /** Whoever made them last. */
  readonly process: ProcessIdentity;
}

/**
 * Makes what is not there yet.
 * @param dataDir the site's: asked again for the same, it finds the same
 * @returns how each host is on it, in the order of the hosts
 */
export async function isolatedHosts(dataDir: string, count: number): Promise<Required<IsolatedHost>[]> {
  await mkdir(dataDir, { recursive: true });
  const site = await siteTag(dataDir);
  return exclusivelyIn('isolated', async () => {
    const startTime = (await startTimeOf(process.pid)) ?? '';
    await mkdir(OWNERS, { recursive: true });
    await writeJson(join(OWNERS, `${site}.json`), {
      dataDir: await realpath(dataDir),
      process: { pid: process.pid, startTime },
    } satisfies Owner);
    const underlay = `${site}-u`;
    const there = await linksOf(underlay);
    const hub = new Tools(underlay);
    if (!there.includes(UNDERLAY))
      await hub.ip([
        `link add ${UNDERLAY} mtu ${UNDERLAY_MTU} type bridge stp_state 0 forward_delay 0`,
        `link set ${UNDERLAY} up`,
      ]);
    const hosts: Required<IsolatedHost>[] = [];
    for (let index = 0; index < count; index++) {
      const host = { namespace: `${site}-${index + 1}`, underlayAddress: addressOf(index) };
      hosts.push(host);
      const isNew = !(await linksOf(host.namespace)).includes(UNDERLAY);
      const port = `host${index + 1}`;
      const peer = `peer name ${UNDERLAY} mtu ${UNDERLAY_MTU} netns ${host.namespace}`;
      await hub.ip([
        ...(isNew ? [`link add ${port} mtu ${UNDERLAY_MTU} type veth ${peer}`] : []),
        `link set ${port} master ${UNDERLAY} up`,
      ]);
      // Said again of one that is there: whoever made it may not have come so far.
      await new Tools(host.namespace).ip([
        'link set lo up',
        `addr replace ${host.underlayAddress}/16 dev ${UNDERLAY}`,
        `link set ${UNDERLAY} up`,
      ]);
    }
    return hosts;
  });
}

type IsolatedHost = Pick<NetworkConfig, 'namespace' | 'underlayAddress'>;

/**
 * Removes those that no VEE is in: they run on without their agents, and need theirs.
 * @returns the names of those that are still in use
 */
export function removeIsolatedHosts(dataDir: string): Promise<string[]> {
  return exclusivelyIn('isolated', async () => removeSite(await siteTag(dataDir)));
}

/** Also those of others that ended without a chance to do so, as after a SIGKILL. */
export function removeForsaken(): Promise<void> {
  return exclusivelyIn('isolated', async () => {
    for (const site of await forsaken()) await removeSite(site);
  });
}

/** Sites on this machine that left namespaces behind and are not running. Looks, and changes nothing. */
export async function forsaken(): Promise<string[]> {
  const files = await readdir(OWNERS).catch(() => []);
  const found = await Promise.all(
    files
      .filter((file) => file.endsWith('.json'))
      .map(async (file): Promise<string[]> => {
        const owner = await readJson<Owner>(join(OWNERS, file));
        return owner && !(await isAlive(owner.process)) ? [file.slice(0, -'.json'.length)] : [];
      }),
  );
  return found.flat();
}

async function removeSite(site: string): Promise<string[]> {
  const all = (await readdir(NAMESPACES).catch((): string[] => [])).filter((name) =>
    name.startsWith(`${site}-`),
  );
  const underlay = `${site}-u`;
  const used: string[] = [];
  for (const name of all.filter((n) => n !== underlay))
    if (await isUsed(name)) used.push(name);
    else await netns('delete', name);
  if (used.length > 0) return used;
  if (all.includes(underlay)) await netns('delete', underlay);
  await rm(join(OWNERS, `${site}.json`), { force: true });
  return [];
}

/** The other end of a container's interface is in a container that lives; a machine is a process of the namespace. */
async function isUsed(namespace: string): Promise<boolean> {
  const { stdout } = await run(['ip', 'netns', 'pids', namespace]);
  if (stdout.trim() !== '') return true;
  const links = await new Tools(namespace).links().catch(() => []);
  return links.some(({ ifname, operstate }) => isPort(ifname) && operstate !== 'DOWN');
}

/** What devices there are; the namespace is made, and made anew where somebody died as it was made. */
async function linksOf(namespace: string): Promise<string[]> {
  const names = async () => (await new Tools(namespace).links()).map(({ ifname }) => ifname);
  if ((await readdir(NAMESPACES).catch((): string[] => [])).includes(namespace)) {
    const found = await names().catch(() => undefined);
    if (found) return found;
    await netns('delete', namespace);
  }
  await netns('add', namespace);
  return names();
}

async function netns(verb: 'add' | 'delete', name: string): Promise<void> {
  const { exitCode, stderr } = await run(['ip', 'netns', verb, name]);
  if (exitCode !== 0)
    throw new SluiceError(
      'driver-failed',
      `The network namespace ${name} can't be changed: ${stderr.trim()}`,
    );
}

/** Tells the sites of one machine apart: of its folder, by whatever path that is called. */
export const siteTag = async (dataDir: string): Promise<string> =>
  `sluice-${createHash('sha256')
    .update(await realpath(dataDir).catch(() => dataDir))
    .digest('hex')
    .slice(0, 10)}`;
