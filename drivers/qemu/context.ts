import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkAttachment } from '../../domain/network/attachment';
import { resolverFile, resolversOf } from '../../domain/network/resolver';
import type { VeeSpec } from '../contract';
import { contextOf, type ToldContext } from '../lib/vee-context';
import { CONTEXT, FILES } from './command-line';
import { cloudInitSeed, scriptOf } from './seed';

/**
 * What a machine learns of its VEE: files that the firmware hands over (`opt/org.sluice/…` in
 * `/sys/firmware/qemu_fw_cfg`: scripts for a guest's shell, and the same as JSON), and a disk for cloud-init. Without
 * the epoch: a copy that arrives on another host is told nothing new.
 * @param seed is there to be that disk?
 */
export async function writeContext(
  folder: string,
  spec: VeeSpec,
  given: Readonly<Record<string, string>> = {},
  seed = false,
): Promise<void> {
  const told = contextOf(spec, given);
  const { networks } = spec;
  await mkdir(join(folder, CONTEXT), { recursive: true });
  for (const [name, text] of Object.entries(contextFiles(spec, told)))
    await writeFile(join(folder, CONTEXT, name), text);
  if (seed) await writeFile(join(folder, FILES.seed), cloudInitSeed(spec.veeId, told, networks));
}

function contextFiles({ networks, template: { command } }: VeeSpec, told: ToldContext) {
  return {
    environment: Object.entries(told.environment)
      .map(([key, value]) => `export ${key}=${quoted(value)}\n`)
      .join(''),
    command: command.length > 0 ? `exec ${command.map(quoted).join(' ')}\n` : 'exec sleep 2147483647\n',
    hostname: told.hostname,
    'vee.json': JSON.stringify({ ...told.identity, ...(networks ? { networks: networks.map(toldOf) } : {}) }),
    files: scriptOf(told, quoted),
    ...(networks
      ? { network: [...networks.flatMap(interfaceScript), resolverScript(told.resolvers)].join('') }
      : {}),
  };
}

/**
 * A script that makes a machine that has run as another this VEE: who it is, where it is on its networks, and what time it
 * is. What the image has in `/etc/sluice/resumed` does the rest; when that fails, the VEE has not begun.
 * @param chance that nobody else has, in hex
 * @param now in milliseconds
 */
export function identityScript(
  spec: VeeSpec,
  given: Readonly<Record<string, string>>,
  chance: string,
  now: number,
): string {
  const told = contextOf(spec, given);
  const files = contextFiles(spec, told);
  return [
    'set -e',
    'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    `date -u -s @${Math.floor(now / 1_000)} > /dev/null || true`,
    `echo ${chance} > /dev/urandom || true`,
    `hostname ${quoted(files.hostname)}`,
    'mkdir -p /run/sluice',
    `printf %s ${quoted(files.environment)} > /run/environment`,
    `printf %s ${quoted(files.command)} > /run/command`,
    files.files,
    // What it is told by its networks comes last, as it does when it boots.
    `printf %s ${quoted(files['vee.json'])} > /run/sluice/vee.json`,
    ...(spec.networks ?? []).flatMap((network, index) => [
      `ip link set dev eth${index} down`,
      `ip addr flush dev eth${index}`,
      `ip link set dev eth${index} address ${network.mac}`,
      ...interfaceScript(network, index).map((line) => line.trimEnd()),
    ]),
    'if [ -x /etc/sluice/resumed ]; then /etc/sluice/resumed; fi',
    '',
  ].join('\n');
}

const toldOf = ({ name, mac, mtu, addresses }: NetworkAttachment) => ({
  ...{ name, mac, mtu, addresses },
  resolvers: resolversOf([{ addresses }]),
});

const resolverScript = (resolvers: readonly string[]): string =>
  `printf %s ${quoted(resolverFile(resolvers))} > /etc/resolv.conf\n`;

function interfaceScript({ mtu, addresses }: NetworkAttachment, index: number): string[] {
  const device = `eth${index}`;
  return [
    // No two are given the same address, so there is no need to wait for whoever might object.
    `echo 0 > /proc/sys/net/ipv6/conf/${device}/accept_dad`,
    ...addresses.map(({ address, prefixLength }) => `ip addr add ${address}/${prefixLength} dev ${device}`),
    `ip link set ${device} mtu ${mtu} up`,
    ...addresses.flatMap(({ gateway }) =>
      gateway ? [`ip route add default via ${gateway} dev ${device}`] : [],
    ),
  ].map((line) => `${line}\n`);
}

/** One word for a POSIX shell, whatever is in it. */
export const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
