import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import type { NetworkAttachment } from '../../domain/network/attachment';
import type { NameSource, NetworkConfig } from './config';
import { movedScript } from './entering';
import { type Entry, entriesIn, type KnownEntry, type Listed, leftoverScript } from './entries';
import { interfaceCommands } from './interfaces';
import { exclusivelyIn } from './lock';
import { NameServers } from './name-servers';
import {
  bridgesOf,
  checkAttachment,
  entryName,
  isBridge,
  isPort,
  linkMark,
  type NetworkNames,
  networkNames,
  portName,
} from './names';
import { requireBridgeFilter } from './probe';
import { portRules, TABLES, withoutPort, withoutTables, withoutZone } from './rules';
import { type Link, Tools } from './tools';
import { Vxlans } from './vxlans';

type Kind = 'veth' | 'tap';

/** As much of a VEE as matters here. */
interface NetworkedVee {
  readonly veeId: VeeId;
  readonly networks?: readonly NetworkAttachment[];
}

/**
 * The networks of one host: a bridge for each that has a VEE here, a VXLAN to the other hosts, and what each VEE may send
 * and be sent. What is there is always looked up, never remembered: the names say what is whose, whichever agent made it.
 */
export class HostNetwork {
  private readonly config: NetworkConfig;
  private readonly dataDir: string;
  private readonly tools: Tools;
  private readonly nameServers: NameServers | undefined;
  private readonly vxlans: Vxlans;

  private constructor(config: NetworkConfig, dataDir: string, names: NameSource | undefined) {
    this.config = config;
    this.dataDir = dataDir;
    this.tools = new Tools(config.namespace);
    this.nameServers = names && new NameServers(config, names);
    this.vxlans = new Vxlans(config, join(dataDir, 'peers.json'), this.tools);
  }

  /** @throws SluiceError `driver-refused` where the underlay's address is not the host's */
  static async open(config: NetworkConfig, dataDir: string, names?: NameSource): Promise<HostNetwork> {
    const network = new HostNetwork(config, dataDir, names);
    const { underlayAddress } = config;
    if (underlayAddress !== undefined && !(await network.tools.linkWith(underlayAddress)))
      throw new SluiceError(
        'driver-refused',
        `No interface of this host has the address ${underlayAddress}.`,
      );
    await network.vxlans.load();
    return network;
  }

  /** What a program is started by to be in the host's namespace. */
  get prefix(): readonly string[] {
    return this.tools.prefix;
  }

  /** VEEs and their networks stay; what answers for names is the agent's own. */
  async close(): Promise<void> {
    await this.nameServers?.close();
  }

  /** A container's interfaces, before anything runs in it. @param pid of a process in its namespaces */
  async attachContainer({ veeId, networks = [] }: NetworkedVee, pid: number): Promise<void> {
    if (networks.length === 0) return;
    await this.exclusively(async (links) => {
      for (const [index, network] of networks.entries()) {
        const port = this.port('veth', veeId, network);
        await this.remove(links, [port]);
        const peer = `peer name eth${index} mtu ${network.mtu} address ${network.mac} netns ${pid}`;
        await this.plug(links, port, veeId, network, [
          `link add ${port} mtu ${network.mtu} type veth ${peer}`,
        ]);
      }
    });
    const inside = new Tools(`/proc/${pid}/ns/net`);
    await inside.ip(['link set lo up', ...networks.flatMap(interfaceCommands)]);
  }

  /**
   * A machine's, to be opened by its QEMU.
   * @param goesOn it has begun elsewhere, or before: what it had opened goes on, also where nothing comes in but by rules
   * @returns their names, in the order of its networks
   */
  async attachMachine({ veeId, networks = [] }: NetworkedVee, goesOn: boolean): Promise<string[]> {
    const ports = networks.map((network) => this.port('tap', veeId, network));
    if (ports.length === 0) return ports;
    await this.exclusively(async (links) => {
      await this.remove(links, ports);
      for (const [index, network] of networks.entries()) {
        const port = ports[index] ?? '';
        await this.plug(links, port, veeId, network, [`tuntap add dev ${port} mode tap`]);
        // Before it goes on: then each millisecond counts.
        if (goesOn && network.ingress) await this.tools.nft(movedScript(this.names(network.vni), network));
      }
    });
    return ports;
  }

  /**
   * After a restart of the agent: what is there gets its bridge and its rules again, had they not come so far. A container
   * that has lost its interfaces gets new ones; a machine can't.
   */
  async adopt(kind: Kind, vee: NetworkedVee, pid: number): Promise<void> {
    const { veeId, networks = [] } = vee;
    if (networks.length === 0) return;
    const lost = await this.exclusively(async (links) => {
      const there = networks.filter((n) => links.some((l) => l.ifname === this.port(kind, veeId, n)));
      for (const network of there)
        await this.plug(links, this.port(kind, veeId, network), veeId, network, []);
      return there.length < networks.length;
    });
    if (lost && kind === 'veth') await this.attachContainer(vee, pid);
  }

  /** Fine when it is on none any more. With the last VEE of a network its devices go, and with the last of all the rules. */
  async detach(kind: Kind, { veeId, networks = [] }: NetworkedVee): Promise<void> {
    if (networks.length === 0) return;
    await this.exclusively(async (links) => {
      for (const network of networks) {
        const port = this.port(kind, veeId, network);
        const names = this.names(network.vni);
        await this.remove(links, [port]);
        // During a migration on one machine the other copy may be here, too, and goes by the same rules of what comes in.
        const other = links.some((l) => l.master === names.bridge && l.ifalias?.endsWith(`/${veeId}`));
        if (links.some(({ ifname }) => isBridge(ifname)))
          await this.tools.nft(
            withoutPort(
              port,
              other ? undefined : this.entry(veeId, names, network),
              network,
              await this.known(),
            ),
          );
        await this.removeUnused(links, names);
      }
      await this.removeRules(links);
    });
  }

  /**
   * Removes what is provably this host's and of no VEE that it has: an agent may have died between the end of a VEE and that
   * of its interfaces.
   * @param has the VEEs that the host has
   */
  async sweep(has: readonly NetworkedVee[]): Promise<void> {
    const kept = new Set(
      has.flatMap(({ veeId, networks = [] }) =>
        (['veth', 'tap'] as const).flatMap((kind) => networks.map((n) => this.port(kind, veeId, n))),
      ),
    );
    await this.exclusively(async (links) => {
      // Most hosts have none, and each agent looks when it begins.
      if (!links.some(({ ifname }) => isPort(ifname) || isBridge(ifname))) return;
      const mine = links.filter((l) => isPort(l.ifname) && l.ifalias?.startsWith(`${this.mark}/`));
      const left = mine.filter(({ ifname }) => !kept.has(ifname));
      await this.remove(
        links,
        left.map(({ ifname }) => ifname),
      );
      for (const { vni } of bridgesOf(
        this.config.domain,
        links.map((l) => l.ifname),
      ))
        await this.removeUnused(links, this.names(vni));
      await this.removeLeftRules(links);
      await this.removeRules(links);
    });
  }

  /** @throws SluiceError when one could not be told to the kernel; said again, it is tried again */
  async setPeers(addresses: readonly string[]): Promise<void> {
    await this.vxlans.setPeers(addresses, () =>
      this.exclusively(async (links) => {
        for (const { bridge, vni } of bridgesOf(
          this.config.domain,
          links.map((l) => l.ifname),
        ))
          await this.vxlans.reach(links, vni, links.find((l) => l.ifname === bridge)?.mtu ?? 0);
      }),
    );
  }

  private get mark(): string {
    return linkMark(this.dataDir);
  }

  private names = (vni: number): NetworkNames => networkNames(this.config.domain, vni);

  private port = (kind: Kind, veeId: string, { networkId }: NetworkAttachment): string =>
    portName(kind, this.dataDir, veeId, networkId);

  private entry = (veeId: string, { bridge }: NetworkNames, { networkId }: NetworkAttachment): Entry => ({
    ...{ bridge, chain: entryName(veeId, networkId) },
  });

  /** @param change is given what there is; what is removed in it is taken from that */
  private exclusively<T>(change: (links: Link[]) => Promise<T>): Promise<T> {
    return exclusivelyIn(this.config.namespace ?? '', async () => change(await this.tools.links()));
  }

  /** Rules first: an interface that can send is watched already. */
  private async plug(
    links: Link[],
    port: string,
    veeId: string,
    network: NetworkAttachment,
    make: readonly string[],
  ): Promise<void> {
    checkAttachment(network);
    const { vni, mtu, ingress } = network;
    const { bridge } = this.names(vni);
    if (ingress) await requireBridgeFilter();
    const entry = this.entry(veeId, this.names(vni), network);
    await this.tools.nft(portRules(port, entry, network, await this.known()));
    const isNew = !links.some(({ ifname }) => ifname === bridge);
    const tracked = 'nf_call_iptables 1 nf_call_ip6tables 1';
    await this.tools.ip([
      ...(isNew
        ? [
            `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
            `link set ${bridge} mtu ${mtu} addrgenmode none up`,
          ]
        : []),
      ...(ingress ? [`link set ${bridge} type bridge ${tracked}`] : []),
      ...(await this.vxlans.commands(links, vni, mtu)),
      ...make,
      `link set ${port} master ${bridge} mtu ${mtu} addrgenmode none alias ${this.mark}/${veeId} up`,
    ]);
    if (isNew) links.push({ ifname: bridge, mtu });
    await this.vxlans.tell(links, vni);
    this.nameServers?.wake();
  }

  /** An interface may vanish by itself just then, with the container that had its other end. */
  private async remove(links: Link[], devices: readonly string[]): Promise<void> {
    for (const device of devices) {
      const at = links.findIndex(({ ifname }) => ifname === device);
      if (at < 0) continue;
      await this.tools.ip([`link delete ${device}`]).catch(async (error) => {
        if ((await this.tools.links()).some(({ ifname }) => ifname === device)) throw error;
      });
      links.splice(at, 1);
    }
  }

  private async removeUnused(links: Link[], { bridge, vxlan, resolver }: NetworkNames): Promise<void> {
    if (links.some((l) => l.master === bridge && isPort(l.ifname))) return;
    await this.remove(links, [resolver, vxlan, bridge]);
    if (links.some(({ ifname }) => isBridge(ifname))) await this.tools.nft(withoutZone(bridge));
  }

  private async known(): Promise<KnownEntry[]> {
    return entriesIn(await this.tools.listed<Listed>('maps', 'inet'));
  }

  private async removeLeftRules(links: Link[]): Promise<void> {
    const [bridge, inet] = await Promise.all(
      TABLES.map((table) => this.tools.listed<Listed>('table', ...table.split(' '))),
    );
    const script = bridge && inet && leftoverScript(bridge, inet, links);
    if (script) await this.tools.nft(script);
  }

  private async removeRules(links: Link[]): Promise<void> {
    if (!links.some(({ ifname }) => isBridge(ifname))) await this.tools.nft(withoutTables);
  }
}
