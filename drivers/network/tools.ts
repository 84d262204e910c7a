import { SluiceError } from '../../domain/errors';
import { type RunResult, run } from '../lib/program';
import { canonical, type Vxlan } from './peers';

/** Where `ip netns` keeps those that have a name. */
export const NAMESPACES = '/run/netns';
const EVERYONE = '00:00:00:00:00:00';

export interface Link {
  readonly ifname: string;
  readonly mtu: number;
  readonly operstate?: string;
  readonly master?: string;
  readonly ifalias?: string;
}

interface AddressedLink extends Link {
  readonly addr_info: readonly { readonly local?: string }[];
}

interface DetailedLink extends Link {
  readonly linkinfo?: { readonly info_data?: { readonly id?: number; readonly port?: number } };
}

/** `ip`, `bridge` and `nft` in one network namespace. */
export class Tools {
  /** What a program is started by to be in it. */
  readonly prefix: readonly string[];

  /** @param namespace a name, a path, or nothing for this process's own */
  constructor(namespace?: string) {
    const path = namespace?.includes('/') ? namespace : `${NAMESPACES}/${namespace}`;
    this.prefix = namespace === undefined ? [] : ['nsenter', `--net=${path}`, '--'];
  }

  async links(): Promise<Link[]> {
    return parsed<Link>(await this.must(['ip', '-j', 'link', 'show']));
  }

  /** The interface that has an address. */
  async linkWith(address: string): Promise<Link | undefined> {
    const all = parsed<AddressedLink>(await this.must(['ip', '-j', 'addr', 'show']));
    const wanted = canonical(address);
    return all.find(({ addr_info }) => addr_info.some(({ local }) => local === wanted));
  }

  /** All of them in one run. @throws SluiceError `driver-failed` at the first that fails */
  async ip(commands: readonly string[]): Promise<void> {
    if (commands.length > 0) await this.must(['ip', '-batch', '-'], commands.join('\n'));
  }

  async nft(script: string): Promise<void> {
    await this.must(['nft', '-f', '-'], script);
  }

  /** What nft has, as JSON; undefined where there is nothing of that name. */
  async listed<T>(...what: readonly string[]): Promise<T | undefined> {
    const { exitCode, stdout } = await run([...this.prefix, 'nft', '-j', 'list', ...what]);
    return exitCode === 0 && stdout.trim() !== '' ? (JSON.parse(stdout) as T) : undefined;
  }

  /** Where a VXLAN device sends what it knows no other place for. */
  async floodedTo(device: string): Promise<string[]> {
    const answer = await this.must(['bridge', '-j', 'fdb', 'show', 'dev', device]);
    return parsed<{ readonly mac: string; readonly dst?: string }>(answer).flatMap(({ mac, dst }) =>
      mac === EVERYONE && dst ? [dst] : [],
    );
  }

  /** All VXLAN devices, whoever made them. */
  async vxlans(): Promise<Vxlan[]> {
    const all = parsed<DetailedLink>(await this.must(['ip', '-d', '-j', 'link', 'show', 'type', 'vxlan']));
    return all.map(({ ifname, linkinfo }) => ({
      device: ifname,
      vni: linkinfo?.info_data?.id,
      port: linkinfo?.info_data?.port,
    }));
  }

  /** Each by itself: one that can't be told keeps no other from it. @throws SluiceError `driver-failed` after all were tried */
  async flood(device: string, add: readonly string[], remove: readonly string[]): Promise<void> {
    const entry = (verb: string) => (dst: string) => `fdb ${verb} ${EVERYONE} dev ${device} dst ${dst}`;
    const commands = [...add.map(entry('append')), ...remove.map(entry('del'))];
    if (commands.length > 0) await this.must(['bridge', '-force', '-batch', '-'], commands.join('\n'));
  }

  private async must(command: readonly string[], input?: string): Promise<RunResult> {
    const result = await run(
      [...this.prefix, ...command],
      input === undefined ? {} : { input: `${input}\n` },
    );
    if (result.exitCode === 0) return result;
    const said = result.stderr.trim().split('\n')[0] ?? '';
    throw new SluiceError('driver-failed', `${command[0]} failed on the host’s networks: ${said}`, {
      cause: result.stderr,
    });
  }
}

const parsed = <T>({ stdout }: RunResult): T[] => JSON.parse(stdout.trim() || '[]') as T[];
