import { subnetsOf } from '../../domain/network/model';
import { lookUp, type NameTables, nameTablesOf } from '../../domain/network/name-tables';
import type { NamedNetwork } from '../../domain/network/names';
import { addressAt, GATEWAY_OFFSET } from '../../domain/network/subnet';
import type { NameSource, NetworkConfig } from './config';
import { exclusivelyIn } from './lock';
import { NameServer } from './name-server';
import { openNameSockets } from './name-sockets';
import { bridgesOf, networkNames, RESOLVER_MAC } from './names';
import { BASE } from './rules';
import { type Link, Tools } from './tools';

const USUAL_MILLIS = 2_000;
/** For a while after a VEE has come: it is about to ask, and others may have come just before. */
const EAGER_MILLIS = 500;
const EAGER_FOR_MILLIS = 10_000;
/** Devices are looked at each time only where something may have changed, else once in so many. */
const MOST_UNLOOKED = 5;

/**
 * What answers for names on the networks of a host: at the gateway's address of each, from a namespace of its own, so that
 * two networks may have the same addresses, and nothing that a VEE sends comes to the host itself. It asks the site what
 * names there are as long as a VEE is on any network here.
 */
export class NameServers {
  private readonly config: NetworkConfig;
  private readonly source: NameSource;
  private readonly tools: Tools;
  private readonly servers = new Map<number, NameServer>();
  private tables: NameTables = new Map();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private eagerUntil = 0;
  private lastTold = '';
  private unlooked = MOST_UNLOOKED;
  private closed = false;

  constructor(config: NetworkConfig, source: NameSource) {
    this.config = config;
    this.source = source;
    this.tools = new Tools(config.namespace);
  }

  /** A VEE has come onto a network here. */
  wake(): void {
    this.eagerUntil = performance.now() + EAGER_FOR_MILLIS;
    this.unlooked = MOST_UNLOOKED;
    if (!this.running) this.schedule(0);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.running;
    for (const server of this.servers.values()) server.close();
    this.servers.clear();
  }

  private schedule(millis: number): void {
    clearTimeout(this.timer);
    if (this.closed) return;
    this.timer = setTimeout(() => {
      this.running = this.refresh()
        .catch((error: unknown) => {
          this.source.failed(error);
          return true;
        })
        .then((goOn) => {
          this.running = undefined;
          const eager = performance.now() < this.eagerUntil;
          if (goOn || eager) this.schedule(eager ? EAGER_MILLIS : USUAL_MILLIS);
        });
    }, millis).unref();
  }

  /** @returns is there anything to ask for again? */
  private async refresh(): Promise<boolean> {
    const told = await this.source.read();
    if (told && !this.isNews(told) && ++this.unlooked < MOST_UNLOOKED) return true;
    this.unlooked = 0;
    return exclusivelyIn(this.config.namespace ?? '', async () => {
      const links = await this.tools.links();
      const here = new Set(
        bridgesOf(
          this.config.domain,
          links.map((l) => l.ifname),
        ).map(({ vni }) => vni),
      );
      for (const [vni, server] of this.servers) {
        const forgotten = told && !told.some((n) => n.vni === vni);
        if (here.has(vni) && !forgotten && this.isThere(links, vni)) continue;
        server.close();
        this.servers.delete(vni);
      }
      for (const network of told ?? [])
        if (here.has(network.vni) && !this.isThere(links, network.vni)) await this.begin(network, links);
      return here.size > 0;
    });
  }

  /** Where another agent answers on one of the networks, it may have ended meanwhile. */
  private isNews(told: readonly NamedNetwork[]): boolean {
    const text = JSON.stringify(told);
    const same = text === this.lastTold;
    if (!same) this.tables = nameTablesOf(told);
    this.lastTold = text;
    return !same || told.some(({ vni }) => !this.servers.has(vni));
  }

  /** Of all agents on a bridge one answers; when it ends, its end of the device goes with it, and another begins. */
  private isThere(links: readonly Link[], vni: number): boolean {
    const { bridge, resolver } = networkNames(this.config.domain, vni);
    return links.some((l) => l.ifname === resolver && l.master === bridge);
  }

  private async begin(network: NamedNetwork, links: readonly Link[]): Promise<void> {
    const { vni, networkId } = network;
    const { bridge, resolver } = networkNames(this.config.domain, vni);
    const mtu = links.find((l) => l.ifname === bridge)?.mtu ?? 0;
    const own = subnetsOf(network).map((subnet) => ({
      address: addressAt(subnet, GATEWAY_OFFSET),
      prefixLength: subnet.prefixLength,
    }));
    if (own.length === 0) return;
    await this.tools.nft(BASE);
    const sockets = await openNameSockets(
      own.map(({ address }) => address),
      async (pid) => {
        const half = links.some((l) => l.ifname === resolver);
        const peer = `peer name eth0 mtu ${mtu} address ${RESOLVER_MAC} netns ${pid}`;
        await this.tools.ip([
          ...(half ? [`link delete ${resolver}`] : []),
          `link add ${resolver} mtu ${mtu} type veth ${peer}`,
          `link set ${resolver} master ${bridge} addrgenmode none up`,
        ]);
        await new Tools(`/proc/${pid}/ns/net`).ip([
          'link set lo up',
          'link set eth0 addrgenmode none',
          ...own.map(
            ({ address, prefixLength }) =>
              `addr add ${address}/${prefixLength} dev eth0${address.includes(':') ? ' nodad' : ''}`,
          ),
          'link set eth0 up',
        ]);
      },
    );
    this.servers.set(
      vni,
      new NameServer(sockets, (from, name) => lookUp(this.tables, networkId, from, name)),
    );
  }
}
