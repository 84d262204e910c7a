import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtemp, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { VeeId } from '../../domain/ids';
import type { NetworkAttachment } from '../../domain/network/attachment';
import { run } from '../../drivers/lib/program';
import { movedScript } from '../../drivers/network/entering';
import { HostNetwork } from '../../drivers/network/host-network';
import { isolatedHosts, removeIsolatedHosts } from '../../drivers/network/isolated';
import { linkLocalOf } from '../../drivers/network/names';
import { networkObstacle } from '../../drivers/network/probe';
import { Tools } from '../../drivers/network/tools';
import { attachedTo } from '../support/networks';

const obstacle = networkObstacle();
// Visible in every run, and never on CI, which installs what is missing.
if (obstacle)
  it('needs a host that can have networks', () => {
    console.warn(`networks are not tested here: ${obstacle.missing} is missing (${obstacle.mend})`);
    expect(process.env.CI).toBeUndefined();
  });

/** Sends one datagram each: from a port (0: any), to an address and a port. */
const SENDER = `
const { createSocket } = require('node:dgram');
for (const [from, to, port] of JSON.parse(process.argv[1])) {
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
  socket.bind(from, () => {
    if (!to.includes(':')) socket.setBroadcast(true);
    socket.send('x', port, to, () => socket.close());
  });
}`;
/** Sends frames as they are. */
const RAW = `
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(('eth0', 0))
for frame in sys.argv[1:]: wire.send(bytes.fromhex(frame))`;
/** As in the middle of a connection, and then to begin one at the same ports. */
const ACK_SYN = `
import socket, struct, sys, time
source, target = map(socket.inet_aton, sys.argv[1:])
wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
def send(flags):
    head = lambda check: struct.pack('!HHIIBBHHH', 5555, 9001, 1000, 2000, 0x50, flags, 512, check, 0)
    words = struct.unpack('!16H', source + target + struct.pack('!HH', 6, 20) + head(0))
    total = sum(words)
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    wire.sendto(head(0xffff ^ total), (sys.argv[2], 0))
for flags in (0x10, 0x02):
    send(flags)
    time.sleep(0.1)`;
type Datagram = readonly [from: number, to: string, port: number];

const FIRST = 7_000;
const PORTS = Array.from({ length: 12 }, (_, i) => FIRST + i).concat(68, 546);
const COUNTING = `
add table netdev seen
add chain netdev seen arriving { type filter hook ingress device eth0 priority 0 ; }
${PORTS.map((port) => `add counter netdev seen p${port}\nadd rule netdev seen arriving udp dport ${port} counter name p${port}`).join('\n')}
add counter netdev seen midway
add rule netdev seen arriving tcp dport 9001 tcp flags & (syn | ack) == ack counter name midway
add counter netdev seen begun
add rule netdev seen arriving tcp dport 9001 tcp flags & (syn | ack) == syn counter name begun
add counter netdev seen tagged
add rule netdev seen arriving ether type { 0x8100, 0x88a8 } counter name tagged`;

(obstacle ? describe.skip : describe)('what comes to a VEE', () => {
  interface Vee {
    readonly veeId: VeeId;
    readonly networks: readonly [NetworkAttachment];
    readonly process: ChildProcessWithoutNullStreams;
    readonly inside: Tools;
  }
  let dataDir: string;
  let isolated: { namespace: string; underlayAddress: string } | undefined;
  let network: HostNetwork;
  let host: Tools;
  const processes: ChildProcessWithoutNullStreams[] = [];

  function started(...command: string[]): ChildProcessWithoutNullStreams {
    const child = spawn(command[0] ?? '', command.slice(1));
    child.on('error', () => undefined);
    processes.push(child);
    return child;
  }

  /** A process in a namespace of its own is as much of a VEE as a network sees. */
  async function plugged(name: string, as: NetworkAttachment): Promise<Vee> {
    const own = await readlink('/proc/self/ns/net');
    const child = started('unshare', '--net', '--', 'sleep', '60');
    const namespace = `/proc/${child.pid}/ns/net`;
    while ((await readlink(namespace)) === own) await delay(2);
    const vee = { veeId: name as VeeId, networks: [as] as const };
    await network.attachContainer(vee, child.pid ?? 0);
    const inside = new Tools(namespace);
    const own6 = `${linkLocalOf(as.mac)}/64 dev eth0`;
    // Not a second after it has made sure that nobody else has it, but now.
    await inside.ip([`addr del ${own6}`, `addr add ${own6} nodad`]);
    return { ...vee, process: child, inside };
  }

  async function ended(vee: Vee): Promise<void> {
    const over = new Promise((resolve) => vee.process.once('exit', resolve));
    vee.process.kill('SIGKILL');
    await over;
    const gone = async () => !(await host.links()).some((l) => l.ifalias?.endsWith(`/${vee.veeId}`));
    while (!(await gone())) await delay(5);
  }

  async function sent(from: Vee, datagrams: readonly Datagram[]): Promise<void> {
    const { exitCode, stderr } = await run([
      ...[...from.inside.prefix, process.execPath, '-e', SENDER, JSON.stringify(datagrams)],
    ]);
    expect([exitCode, stderr]).toEqual([0, '']);
  }

  /** The ports at which anything has arrived. */
  async function seen(by: Vee): Promise<(number | string)[]> {
    const { stdout } = await run([...by.inside.prefix, 'nft', '-j', 'list', 'counters']);
    const all = JSON.parse(stdout) as { nftables: { counter?: { name: string; packets: number } }[] };
    return all.nftables.flatMap(({ counter }) =>
      counter && counter.packets > 0
        ? [/^p\d/.test(counter.name) ? Number(counter.name.slice(1)) : counter.name]
        : [],
    );
  }

  const rules = async (): Promise<string> => (await run([...host.prefix, 'nft', 'list', 'ruleset'])).stdout;

  const open = attachedTo(1, 3);
  const shut = attachedTo(1, 4, { ingress: [{ protocol: 'udp', fromPort: FIRST }] });
  let sender: Vee;
  let neighbour: Vee;
  let victim: Vee;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'sluice-entering-'));
    [isolated] = await isolatedHosts(dataDir, 1);
    host = new Tools(isolated?.namespace);
    network = await HostNetwork.open({ domain: dataDir, ...isolated }, join(dataDir, 'h1'));
    sender = await plugged('sender', attachedTo(1, 2));
    neighbour = await plugged('neighbour', open);
    victim = await plugged('victim', shut);
    for (const { inside } of [neighbour, victim]) await inside.nft(COUNTING);
  }, 30_000);

  afterAll(async () => {
    for (const child of processes) child.kill('SIGKILL');
    for (const vee of [sender, neighbour, victim]) await network.detach('veth', vee);
    expect(await rules()).toBe('');
    const used = await removeIsolatedHosts(dataDir);
    await rm(dataDir, { recursive: true, force: true });
    expect(used).toEqual([]);
  });

  it('is for it alone and by its rules, whatever it is addressed to', async () => {
    // An address that is nobody's, at the hardware addresses of both.
    await sender.inside.ip([
      `neigh add 10.77.1.200 lladdr ${shut.mac} dev eth0`,
      `neigh add 10.77.1.201 lladdr ${open.mac} dev eth0`,
      'route add 255.255.255.255 dev eth0',
    ]);
    await sent(sender, [
      [0, '10.77.1.4', FIRST],
      [0, '10.77.1.4', FIRST + 1],
      [0, `${linkLocalOf(shut.mac)}%eth0`, FIRST],
      [0, `${linkLocalOf(shut.mac)}%eth0`, FIRST + 2],
      [0, `${linkLocalOf(open.mac)}%eth0`, FIRST + 2],
      [0, '10.77.1.255', FIRST + 3],
      [0, '255.255.255.255', FIRST + 4],
      [0, 'ff02::1%eth0', FIRST + 5],
      [0, '10.77.1.200', FIRST + 6],
      [0, '10.77.1.201', FIRST + 6],
    ]);
    expect(await seen(neighbour)).toEqual([2, 3, 4, 5, 6].map((n) => FIRST + n));
    expect(await seen(victim)).toEqual([FIRST]);
    const { stdout } = await run([
      ...victim.inside.prefix,
      'nft',
      'list',
      'counter',
      'netdev',
      'seen',
      `p${FIRST}`,
    ]);
    expect(stdout).toContain('packets 2 ');
  });

  it('has no tags, and gives it no address', async () => {
    const frame = (tags: string, port: number) =>
      [
        ...[open.mac, sender.networks[0].mac].map((mac) => mac.replaceAll(':', '')),
        // Of 29 bytes, by UDP, from .2 to .3: its checksum is the ninth word.
        `${tags}0800`,
        '4500001d00010000401164310a4d01020a4d0103',
        `1b58${port.toString(16)}00090000ff`,
      ].join('');
    const tags = ['', '81000000', '81000005', '88a80005', '88a8000581000000'];
    const { exitCode, stderr } = await run([
      ...[...sender.inside.prefix, 'python3', '-c', RAW],
      ...tags.map((tag, i) => frame(tag, FIRST + 7 + Math.min(i, 1))),
    ]);
    expect([exitCode, stderr]).toEqual([0, '']);
    await sent(sender, [
      [67, '10.77.1.3', FIRST + 9],
      [547, 'fd77:1::3', FIRST + 9],
      [0, '10.77.1.3', 68],
      [0, '255.255.255.255', 68],
      [0, 'fd77:1::3', 546],
      [0, 'fd77:1::3', FIRST + 11],
    ]);
    expect(await seen(neighbour)).toEqual([2, 3, 4, 5, 6, 7, 11].map((n) => FIRST + n));
  });

  it('is no flood of broadcasts', async () => {
    await sent(
      sender,
      Array.from({ length: 900 }, () => [0, '10.77.1.255', FIRST + 10] as const),
    );
    const { stdout } = await run([
      ...neighbour.inside.prefix,
      'nft',
      '-j',
      'list',
      'counter',
      'netdev',
      'seen',
      `p${FIRST + 10}`,
    ]);
    const packets = Number(/"packets": (\d+)/.exec(stdout)?.[1]);
    expect(packets).toBeGreaterThan(100);
    expect(packets).toBeLessThan(850);
  });

  it('goes on where it was opened from elsewhere, once it is said to have moved', async () => {
    const server = started(...sender.inside.prefix, 'busybox', 'nc', '-l', '-p', '9000');
    const listening = async () => {
      const all = ['tcp', 'tcp6'].map((f) => readFile(`/proc/${server.pid}/net/${f}`, 'latin1'));
      return (await Promise.all(all)).some((text) => text.includes(':2328 '));
    };
    while (!(await listening())) await delay(5);
    const client = started(...victim.inside.prefix, 'busybox', 'nc', '10.77.1.2', '9000');
    let told = '';
    client.stdout.on('data', (data) => {
      told += data;
    });
    const hears = async (text: string, millis: number) => {
      server.stdin.write(text);
      for (const until = Date.now() + millis; Date.now() < until && !told.endsWith(text); ) await delay(10);
      return told;
    };
    expect(await hears('before', 5_000)).toBe('before');
    // In another zone nothing is known of it, as on another host.
    const [, zone = ''] = /chain (slb\S+) /.exec(await rules()) ?? [];
    await host.nft(`flush chain inet sluice ${zone}\nadd rule inet sluice ${zone} ct zone set 9`);
    expect(await hears('lost', 300)).toBe('before');
    await host.nft(movedScript({ bridge: zone }, shut));
    expect(await hears('after', 5_000)).toBe('beforelostafter');
    // The answer to what it knows nothing of makes that known, but opens nothing.
    const { stderr } = await run([
      ...[...sender.inside.prefix, 'python3', '-c', ACK_SYN, '10.77.1.2', '10.77.1.4'],
    ]);
    expect([stderr, await seen(victim)]).toEqual(['', [FIRST, 'midway']]);
  }, 20_000);

  it('goes by the rules of whom its address is now, whatever was left behind', async () => {
    const ruled = (last: number) => attachedTo(1, last, { ingress: [] });
    const [one, two] = [await plugged('one', ruled(5)), await plugged('two', ruled(6))];
    await ended(one);
    const next = await plugged('next', attachedTo(1, 5));
    await next.inside.nft(COUNTING);
    await sent(sender, [[0, '10.77.1.5', FIRST]]);
    expect(await seen(next)).toEqual([FIRST]);
    await network.detach('veth', next);
    const again = await plugged('again', ruled(5));
    expect((await rules()).match(/\bchain sli/g)).toHaveLength(3);
    for (const vee of [two, again]) await ended(vee);
    await network.sweep([sender, neighbour, victim]);
    const left = await rules();
    expect(left.match(/\bchain sli/g)).toHaveLength(1);
    expect(left.match(/\bchain slv/g)).toHaveLength(4);
    expect(left.match(/10\.77\.1\.[56]\b|fd77:1::[56]\b/g)).toBeNull();
  });

  it('comes from all hosts that can be reached, whatever else is said to be one', async () => {
    await network.setPeers(['100.64.0.1', 'fd00::9', '224.0.0.9', '100.64.0.9', '100.64.0.8']);
    const [vxlan, ...more] = await host.vxlans();
    expect([more, await host.floodedTo(vxlan?.device ?? '')]).toEqual([[], ['100.64.0.8', '100.64.0.9']]);
    await network.setPeers(['100.64.0.8']);
    expect(await host.floodedTo(vxlan?.device ?? '')).toEqual(['100.64.0.8']);
    // Whoever took the identifier first has it, and the other is told what to do.
    const stranger = await HostNetwork.open(
      { domain: 'another site', ...isolated },
      join(dataDir, 'stranger'),
    );
    await stranger.setPeers(['100.64.0.8']);
    const vee = { veeId: 'stranger' as VeeId, networks: [attachedTo(1, 9)] };
    await expect(stranger.attachMachine(vee, false)).rejects.toThrow(/SLUICE_VXLAN_PORT/);
    await stranger.detach('tap', vee);
    await stranger.sweep([]);
  });
});
