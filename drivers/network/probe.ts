import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { findOnPath, run } from '../lib/program';
import { portRules } from './rules';

export interface Obstacle {
  readonly missing: string;
  readonly mend: string;
}

const PACKAGES = { ip: 'iproute2', bridge: 'iproute2', nft: 'nftables', nsenter: 'util-linux' };

/** What keeps VEEs from being on networks here, with the command that mends it; undefined when nothing does. Looks only. */
export function networkObstacle(): Obstacle | undefined {
  if (process.platform !== 'linux') return { missing: 'Linux', mend: 'run the agent on a Linux host' };
  if (process.getuid?.() !== 0) return { missing: 'root', mend: 'run as root (sudo)' };
  for (const [program, its] of Object.entries(PACKAGES))
    if (!findOnPath(program)) return { missing: program, mend: `apt-get install -y ${its}` };
  return undefined;
}

const DEVICES = `link add slbprobe type bridge
link add slxprobe type vxlan id 1 dstport 4789
link add slvprobe type veth peer name slvother
tuntap add dev sltprobe mode tap
`;
/** Those of any VEE, as they are. What is more where something may not come in needs `br_netfilter`, and is looked for then. */
const RULES = portRules(
  'slvprobe',
  { bridge: 'slbprobe', chain: 'sliprobe' },
  {
    ...{ networkId: 'probe', name: 'probe', vni: 1, mac: '02:00:00:00:00:01', mtu: 1_450 },
    addresses: [
      { address: '192.0.2.1', prefixLength: 24 },
      { address: '2001:db8::1', prefixLength: 64 },
    ],
  },
);

/**
 * Can this kernel do all of it? Programs on PATH only suggest it, so it is tried, in a namespace that is gone with the
 * program that tried.
 * @returns what is in the way, and what mends it; undefined when nothing is
 */
export async function probeNetworks(): Promise<Obstacle | undefined> {
  const missing = networkObstacle();
  if (missing) return missing;
  const alone = ['unshare', '--net', '--'];
  const devices = await run([...alone, 'ip', '-batch', '-'], { input: DEVICES });
  if (devices.exitCode !== 0)
    return {
      missing: 'bridges, VXLAN, veth or taps in the kernel',
      mend: `ip says: ${lastLine(devices.stderr)}`,
    };
  const rules = await run([...alone, 'nft', '-f', '-'], { input: `${RULES}\n` });
  if (rules.exitCode === 0) return undefined;
  return { missing: 'nftables for bridges in the kernel', mend: `nft says: ${lastLine(rules.stderr)}` };
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';

const BRIDGED = '/proc/sys/net/bridge';

/**
 * What crosses a bridge is shown to the connection tracking of the inet family by br_netfilter. Loaded here, it is kept
 * from doing so on bridges that are not ours.
 * @throws SluiceError `driver-refused` where the kernel has none
 */
export async function requireBridgeFilter(): Promise<void> {
  if (existsSync(BRIDGED)) return;
  await run(['modprobe', 'br_netfilter']).catch(() => undefined);
  if (!existsSync(BRIDGED))
    throw new SluiceError(
      'driver-refused',
      'This host can’t keep to what may come in on a network: its kernel has no br_netfilter.',
    );
  for (const table of ['iptables', 'ip6tables', 'arptables'])
    await writeFile(join(BRIDGED, `bridge-nf-call-${table}`), '0');
}
