import { join } from 'node:path';
import { readJson } from '../../drivers/lib/atomic-file';
import type { SimulatorFault, SimulatorScript } from '../../drivers/simulator/script';
import type { Json } from '../support/json';
import type { TestSite } from '../support/site';

const VERBS = [
  ...['define', 'start', 'pause', 'resume', 'suspend', 'restore', 'stop', 'destroy', 'resize'],
  ...['prepareTarget', 'send', 'switchOver', 'finish', 'cancel'],
];
/** A call that never comes: a fault for it makes the simulator count, and nothing else. */
const NEVER = 1_000_000;

/**
 * Where cases run one after the other: some hosts of a site, with a view of the site through which every manifest keeps to
 * those alone, or a site of its own.
 */
export class Lane {
  readonly site: TestSite;
  private readonly hosts: readonly string[];
  private readonly prefix: string;
  private readonly whole: boolean;
  private serial = 0;

  private constructor(site: TestSite, hosts: readonly string[], prefix: string, whole: boolean) {
    this.site = site;
    this.hosts = hosts;
    this.prefix = prefix;
    this.whole = whole;
  }

  /** For operations that act on more than was made for them. */
  static ofWhole(site: TestSite, index: number): Lane {
    return new Lane(site, site.hostIds, `l${index}`, true);
  }

  static ofPart(site: TestSite, index: number, width: number): Lane {
    const hosts = site.hostIds.slice(index * width, (index + 1) * width);
    const confined = (manifest: Json): Json => {
      const own = manifest.components.map((c: Json) => ({ component: c.name, allowHosts: hosts }));
      const { assignment = [], ...placement } = manifest.placement ?? {};
      return { ...manifest, placement: { ...placement, assignment: [...assignment, ...own] } };
    };
    const view = Object.assign(Object.create(site) as TestSite, {
      send: (method: string, path: string, options: Parameters<TestSite['send']>[2] = {}) => {
        const body = options.body as Json;
        return site.send(
          method,
          path,
          body?.kind === 'Service' ? { ...options, body: confined(body) } : options,
        );
      },
    });
    return new Lane(view, hosts, `l${index}`, false);
  }

  freshName = () => `${this.prefix}-${this.serial++}`;

  /** The same faults on each of its hosts; with none they behave again. */
  async script(
    ...faults: (Omit<SimulatorFault, 'call'> & { readonly call: number | 'next' })[]
  ): Promise<void> {
    for (const host of this.hosts) {
      const numbered = await Promise.all(
        faults.map(async (f) => ({
          ...f,
          call: f.call === 'next' ? await this.site.nextCall(host, f.verb) : f.call,
        })),
      );
      await this.site.script(host, numbered.length > 0 ? { faults: numbered } : undefined);
    }
  }

  /** Which verbs are called while `prepared` runs, in the order of `VERBS`. */
  async verbsOf(prepare: () => Promise<() => Promise<unknown>>): Promise<string[]> {
    const run = await prepare();
    const before = await this.total();
    const counting = VERBS.map((verb) => ({ verb, call: NEVER, when: 'before', do: 'fail' }) as const);
    for (const host of this.hosts) {
      const kept = await readJson<SimulatorScript>(join(this.site.hostFolder(host), 'script.json'));
      await this.site.script(host, { faults: [...(kept?.faults ?? []), ...counting] });
    }
    await run();
    await this.script();
    const after = await this.total();
    return VERBS.filter((v) => (after[v] ?? 0) > (before[v] ?? 0));
  }

  async runningTwice(): Promise<string[]> {
    const running = (await this.held()).filter((v) => v.state === 'ACTIVE').map((v) => v.veeId);
    return running.filter((v, i) => running.indexOf(v) !== i);
  }

  /**
   * The operation once it has ended, or waits for an operator; it waits as well when one that it has asked for does, which
   * can be told apart only where nothing else is under way.
   */
  async ended(id: string): Promise<{ readonly operation: Json; readonly waiting: readonly string[] }> {
    if (!this.whole) {
      const operation = await this.site.ended(id);
      return { operation, waiting: operation.state === 'stuck' ? [id] : [] };
    }
    return this.site.until(`operation ${id} or one of its parts ends or waits`, 60_000, async () => {
      const { body: operation } = await this.site.get(`/v1/operations/${id}`);
      if (operation.endedAt !== undefined) return { operation, waiting: [] };
      const stuck = await this.site.all('/v1/operations?state=stuck');
      const waiting = stuck.filter((o) => o.endedAt === undefined).map((o) => o.id as string);
      return waiting.length > 0 ? { operation, waiting } : undefined;
    });
  }

  /**
   * The operation once an operator has had what waits tried again: each once. What waits anew fails the test; but what has
   * asked others, of which one went back, is given up then.
   */
  async settled(id: string): Promise<Json> {
    const retried = new Set<string>();
    return this.site.until(`operation ${id} goes on`, this.whole ? 60_000 : 20_000, async () => {
      const { operation, waiting } = await this.ended(id);
      if (operation.endedAt !== undefined) return operation;
      const [next] = waiting.filter((one) => !retried.has(one));
      if (next) await this.site.post(`/v1/operations/${next}/retry`);
      else if (this.whole && waiting.includes(id)) await this.site.post(`/v1/operations/${id}/cancel`);
      if (next) retried.add(next);
      return undefined;
    });
  }

  disagreements = () => this.site.disagreements((hostId) => this.hosts.includes(hostId));

  /** What is left where nothing should be makes the test fail. */
  async clean(): Promise<void> {
    if (this.whole) return expect(await this.site.clean()).toEqual([]);
    for (const service of await this.site.all('/v1/services'))
      if (service.name.startsWith(`${this.prefix}-`) && service.phase !== 'decommissioned')
        await this.site.done(await this.site.delete(`/v1/services/${service.id}`));
    expect(await this.held()).toEqual([]);
  }

  private held = async () => (await this.site.onHosts()).filter((v) => this.hosts.includes(v.hostId));

  private async total(): Promise<Record<string, number>> {
    const total: Record<string, number> = {};
    for (const host of this.hosts)
      for (const [verb, n] of Object.entries(await this.site.calls(host)))
        total[verb] = (total[verb] ?? 0) + n;
    return total;
  }
}
