import { readJson, writeJson } from '../lib/atomic-file';
import type { NetworkConfig } from './config';
import { networkNames } from './names';
import { peersOf, requireFreePort } from './peers';
import type { Link, Tools } from './tools';

/** RFC 7348. */
const VXLAN_PORT = 4_789;

/** What leads to a network's part on other hosts. Where the host has no underlay, or nobody else has, there is none. */
export class Vxlans {
  private readonly config: NetworkConfig;
  private readonly path: string;
  private readonly tools: Tools;
  private peers: readonly string[] = [];
  /** Do those that there are lead to all of them? */
  private reached = false;

  /** @param path where it keeps whom they lead to, so that it is known before the site is reached again */
  constructor(config: NetworkConfig, path: string, tools: Tools) {
    this.config = config;
    this.path = path;
    this.tools = tools;
  }

  async load(): Promise<void> {
    this.peers = this.usable((await readJson<readonly string[]>(this.path)) ?? []);
  }

  /**
   * @param addresses of all hosts, this one among them or not
   * @param reachAll calls `reach` for each network that is here
   */
  async setPeers(addresses: readonly string[], reachAll: () => Promise<void>): Promise<void> {
    if (this.config.underlayAddress === undefined) return;
    const peers = this.usable(addresses);
    const same = JSON.stringify(peers) === JSON.stringify(this.peers);
    if (same && this.reached) return;
    this.peers = peers;
    this.reached = false;
    if (!same) await writeJson(this.path, peers);
    await reachAll();
    this.reached = true;
  }

  private usable(addresses: readonly string[]): string[] {
    const { underlayAddress } = this.config;
    return underlayAddress === undefined ? [] : peersOf(underlayAddress, addresses);
  }

  /** @throws SluiceError `driver-failed` when the kernel does not take all of them */
  async reach(links: Link[], vni: number, mtu: number): Promise<void> {
    await this.tools.ip(await this.commands(links, vni, mtu));
    await this.flood(links, vni);
  }

  /**
   * What makes a network's, unless it is there.
   * @throws SluiceError `driver-refused` where somebody else has its port
   */
  async commands(links: Link[], vni: number, mtu: number): Promise<string[]> {
    const { domain, underlayAddress, vxlanPort = VXLAN_PORT } = this.config;
    const { bridge, vxlan } = networkNames(domain, vni);
    if (underlayAddress === undefined || this.peers.length === 0) return [];
    if (links.some(({ ifname }) => ifname === vxlan)) return [];
    requireFreePort(domain, vni, vxlanPort, await this.tools.vxlans());
    links.push({ ifname: vxlan, mtu });
    return [
      `link add ${vxlan} mtu ${mtu} type vxlan id ${vni} local ${underlayAddress} dstport ${vxlanPort}`,
      `link set ${vxlan} master ${bridge} addrgenmode none up`,
    ];
  }

  /** A host that can't be told of is no reason for a VEE not to run: the next heartbeat tries again, and says so. */
  async tell(links: readonly Link[], vni: number): Promise<void> {
    await this.flood(links, vni).catch(() => {
      this.reached = false;
    });
  }

  private async flood(links: readonly Link[], vni: number): Promise<void> {
    const { vxlan } = networkNames(this.config.domain, vni);
    if (!links.some(({ ifname }) => ifname === vxlan)) return;
    const told = await this.tools.floodedTo(vxlan);
    await this.tools.flood(
      vxlan,
      this.peers.filter((p) => !told.includes(p)),
      told.filter((p) => !this.peers.includes(p)),
    );
  }
}
