import type { Fault } from '../../process/fault-points';
import type { Step } from '../support/faults';
import type { Json } from '../support/json';
import { eachInLanes, momentsOf } from '../support/lanes';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

const LANES = 3;
const LOST = 'host-1';
const VEES = 2;
/** Never part of an operation: the site's own watch. */
const NOT_A_STEP = new Set(['watchSite', 'reportOperation']);
const capacity = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };

/** Each host has an agent of its own, so that one can be lost: it is frozen, and its VEEs are still there. */
const agents = [1, 2, 3].map((n) => ({
  id: `agent-${n}`,
  hosts: [{ id: `host-${n}`, driver: 'simulator' as const, capacity }],
}));

/** A site that loses the same host again and again. */
class Lane {
  readonly site: TestSite;
  private serviceId = '';

  private constructor(site: TestSite) {
    this.site = site;
  }

  static async start(): Promise<Lane> {
    const environment = { SLUICE_SUSPECT_MILLIS: '600', SLUICE_LOST_MILLIS: '1500' };
    return new Lane(await TestSite.start({ agents, environment }));
  }

  async loseHost(): Promise<void> {
    const { site } = this;
    const component = { name: 'app', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } };
    const components = [{ ...component, instances: { initial: VEES, max: VEES } }];
    for (const other of [2, 3]) await site.post(`/v1/hosts/host-${other}/cordon`);
    this.serviceId = (
      await site.done(await site.apply(manifestOf('shop', { components, topology: {} })))
    ).serviceId;
    for (const other of [2, 3]) await site.post(`/v1/hosts/host-${other}/uncordon`);
    this.signal('SIGSTOP');
    await this.liveness('lost');
  }

  async recover(): Promise<Json> {
    const { site } = this;
    const { body } = await site.post(`/v1/hosts/${LOST}/recover`, { confirmedDown: true });
    // It waits for what it asks for, which may wait for the operator.
    return site.until('it has ended, or somebody is asked', 40_000, async () => {
      const recovery = (await site.get(`/v1/operations/${body.id}`)).body;
      return recovery.endedAt !== undefined || (await this.asking()).length > 0 ? recovery : undefined;
    });
  }

  private async asking(): Promise<string[]> {
    const { items } = (await this.site.get('/v1/operations?state=stuck')).body;
    return items.filter((o: Json) => o.endedAt === undefined).map((o: Json) => o.id);
  }

  /** Whoever waits for the operator gets his word; it all ends right, and the host comes back to that. */
  async allIsWell(at: string, recovery: Json): Promise<void> {
    const { site } = this;
    const asked = new Set<string>();
    const ended = await site.until(`${at}: it has ended`, 40_000, async () => {
      for (const id of await this.asking()) {
        if (!asked.has(id)) await site.post(`/v1/operations/${id}/retry`);
        asked.add(id);
      }
      const { body } = await site.get(`/v1/operations/${recovery.id}`);
      return body.endedAt === undefined ? undefined : body;
    });
    expect([at, ended.state]).toEqual([at, 'completed']);
    const vees = await site.vees(this.serviceId);
    expect([at, vees.map((v) => [v.state, v.hostId === LOST])]).toEqual([
      at,
      Array.from({ length: VEES }, () => ['ACTIVE', false]),
    ]);
    this.signal('SIGCONT');
    await this.liveness('up');
    await site
      .until(`${at}: the hosts are as recorded`, 15_000, async () =>
        (await site.disagreements()).length === 0 ? true : undefined,
      )
      .catch(async () => expect([at, await site.disagreements()]).toEqual([at, []]));
    expect([at, await site.violations()]).toEqual([at, []]);
    await site.done(await site.delete(`/v1/services/${this.serviceId}`));
    expect([at, await site.onHosts()]).toEqual([at, []]);
  }

  private signal(signal: NodeJS.Signals): void {
    process.kill(this.site.system.child('agent-1').pid ?? 0, signal);
  }

  private liveness(state: string): Promise<true> {
    return this.site.until(`${LOST} is ${state}`, 20_000, async () =>
      (await this.site.get(`/v1/hosts/${LOST}`)).body.liveness === state ? true : undefined,
    );
  }
}

describe('host.recover, each of its steps and of what it asks for', () => {
  let lanes: Lane[] = [];
  let points: Step[];

  beforeAll(async () => {
    lanes = await Promise.all(Array.from({ length: LANES }, () => Lane.start()));
    const [lane] = lanes;
    if (!lane) throw new Error('there is no lane');
    await lane.loseHost();
    let recovery: Json = {};
    const traced = await lane.site.trace(async () => {
      recovery = await lane.recover();
    });
    points = traced.filter((p) => p.role !== 'api' && !NOT_A_STEP.has(p.activity));
    await lane.allIsWell('the traced run', recovery);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(lanes.map((lane) => lane.site.stop()));
  });

  const ACTS: [string, Fault['act'], readonly Fault['when'][]][] = [
    [
      'fails, before and after: it waits for the operator at most, and ends right',
      'fail',
      ['before', 'after'],
    ],
    ['is made twice: the second time changes nothing', 'retry', ['after']],
    ['is where its process is killed: it goes on by itself', 'kill', ['after']],
  ];
  it.each(ACTS)(
    'each %s',
    async (_what, act, whens) => {
      expect(points.length).toBeGreaterThan(8);
      // The acts share the steps between them: each fails, or is made twice and killed.
      const share = process.env.SLUICE_EVERY_CASE
        ? points
        : points.filter((_, i) => i % 2 === Number(act !== 'fail'));
      const cases = share.flatMap((point, i) => momentsOf(i, whens).map((when) => ({ point, when })));
      await eachInLanes(lanes, cases, async (lane, { point: { role, activity, occurrence }, when }) => {
        const at = `${act} ${when} ${activity}#${occurrence}`;
        await lane.loseHost();
        await lane.site.arm(role, { activity, occurrence, when, act });
        const recovery = await lane.recover();
        expect([at, lane.site.wasStruck(role)]).toEqual([at, true]);
        if (act !== 'fail') expect([at, recovery.state]).toEqual([at, 'completed']);
        await lane.allIsWell(at, recovery);
      });
    },
    600_000,
  );
});
