import { setTimeout as delay } from 'node:timers/promises';
import type { VeeId } from '../../domain/ids';
import type { Json } from '../support/json';
import { eachInLanes, everySecond, momentsOf } from '../support/lanes';
import { SimulatedHosts } from '../support/simulated-hosts';
import { TestSite } from '../support/site';
import { operating } from './scenarios';

const HEARD_MILLIS = 600;
/** Never part of an operation: the site's own watch. */
const NOT_A_STEP = new Set(['watchSite', 'reportOperation']);

interface Drift {
  readonly name: string;
  /** Makes it, so that the next look acts on it at once. */
  make(site: TestSite, hosts: SimulatedHosts, serviceId: string): Promise<void>;
}

const app = async (site: TestSite, serviceId: string): Promise<Json> =>
  (await site.vees(serviceId)).find((v: Json) => v.component === 'app');

/** Another each time: what keeps coming back is not ended for ever. */
let ghosts = 0;
const newGhost = () => `vee-${String(ghosts++).padStart(24, '0')}` as VeeId;

const DRIFTS: Drift[] = [
  {
    name: 'a VEE that ended, one of another size, and a copy too many',
    async make(site, hosts, serviceId) {
      const vee = await app(site, serviceId);
      const db = (await site.vees(serviceId)).find((v: Json) => v.component === 'db');
      const kept = await hosts.kept(vee.hostId, vee.id);
      await hosts.put('host-1', { state: 'ACTIVE', spec: { ...kept.spec, veeId: newGhost(), epoch: 7 } });
      await delay(HEARD_MILLIS);
      await site.done(await site.post('/v1/reconcile', {}));
      const { spec, state } = await hosts.kept(db.hostId, db.id);
      const capacity = { ...spec.template.capacity, memoryMiB: 1 };
      await hosts.put(db.hostId, { state, spec: { ...spec, template: { ...spec.template, capacity } } });
      await hosts.become(vee.hostId, vee.id, 'EXITED');
    },
  },
  {
    name: 'a move that was not recorded',
    async make(site, _hosts, serviceId) {
      const vee = await app(site, serviceId);
      await site.arm('site', { activity: 'commitMove', occurrence: 1, when: 'before', act: 'fail' });
      const { body } = await site.post(`/v1/vees/${vee.id}/migrate`, {});
      expect((await site.ended(body.id)).state).toBe('stuck');
      await site.post(`/v1/operations/${body.id}/abort`);
      await site.until('it is given up', 10_000, async () =>
        (await site.get(`/v1/operations/${body.id}`)).body.endedAt ? true : undefined,
      );
    },
  },
];

/** Each case waits more than it works, and needs a site of its own. */
const LANES = 3;

type Point = { role: string; activity: string; occurrence: number };

/** A site with one service that has drifted, again and again. */
class Lane {
  readonly site: TestSite;
  private readonly hosts: SimulatedHosts;
  private readonly make: Drift['make'];
  private serviceId: string | undefined;

  private constructor(site: TestSite, make: Drift['make']) {
    this.site = site;
    this.hosts = new SimulatedHosts(site);
    this.make = make;
  }

  static async start(make: Drift['make']): Promise<Lane> {
    return new Lane(await TestSite.start({ environment: { SLUICE_ORPHAN_GRACE_MILLIS: '300' } }), make);
  }

  async reconcile(): Promise<Json> {
    await delay(HEARD_MILLIS);
    return this.site.ended((await this.site.post('/v1/reconcile', {})).body.id);
  }

  async renewed(): Promise<void> {
    const { site, serviceId } = this;
    if (serviceId) await site.done(await site.delete(`/v1/services/${serviceId}`));
    expect(await site.onHosts()).toEqual([]);
    this.serviceId = await operating(site, 'shop');
    await this.make(site, this.hosts, this.serviceId);
  }

  /** What was asked for may wait for the operator; whoever it is about can be mended after that. */
  async mended(at: string): Promise<void> {
    const { site } = this;
    const { body } = await site.get('/v1/operations?state=stuck');
    for (const stuck of body.items.filter((o: Json) => o.endedAt === undefined)) {
      await site.post(`/v1/operations/${stuck.id}/retry`);
      await site.until(`${at}: it goes on`, 20_000, async () =>
        (await site.get(`/v1/operations/${stuck.id}`)).body.endedAt ? true : undefined,
      );
    }
    await this.reconcile();
    const last = await this.reconcile();
    expect([at, last.state, last.steps.map((s: Json) => s.name)]).toEqual([at, 'completed', ['look']]);
    expect([at, (await site.get('/v1/drift')).body.items]).toEqual([at, []]);
    expect([at, (await site.onHosts()).map((v) => v.state)]).toEqual([at, ['ACTIVE', 'ACTIVE']]);
    expect([at, await site.violations()]).toEqual([at, []]);
  }
}

for (const { name, make } of DRIFTS)
  describe(`site.reconcile of ${name}, each of its steps and of what it asks for`, () => {
    let lanes: Lane[] = [];
    let points: Point[];

    beforeAll(async () => {
      lanes = await Promise.all(Array.from({ length: LANES }, () => Lane.start(make)));
      const [lane] = lanes;
      if (!lane) throw new Error('there is no lane');
      await lane.renewed();
      const traced = await lane.site.trace(() => lane.reconcile());
      points = traced.filter((p) => p.role !== 'api' && !NOT_A_STEP.has(p.activity));
      await lane.mended('the traced run');
    }, 120_000);
    afterAll(async () => {
      await Promise.all(lanes.map((lane) => lane.site.stop()));
    });

    it('fails before or after each: what is left is mended by the next, and nothing gets stuck', async () => {
      expect(points.length).toBeGreaterThan(8);
      const cases = everySecond(
        points.flatMap((point, i) =>
          // Every second of them, and still at either moment.
          momentsOf(Math.floor(i / 2), ['before', 'after'] as const).map((when) => ({ point, when })),
        ),
      );
      await eachInLanes(lanes, cases, async (lane, { point, when }) => {
        const { role, activity, occurrence } = point;
        const at = `${when} ${activity}#${occurrence}`;
        await lane.renewed();
        await lane.site.arm(role, { activity, occurrence, when, act: 'fail' });
        const operation = await lane.reconcile();
        expect([at, lane.site.wasStruck(role)]).toEqual([at, true]);
        expect([at, operation.state]).toEqual([at, activity === 'lookForDrift' ? 'undone' : 'completed']);
        await lane.mended(at);
      });
    }, 900_000);

    it('makes each twice: the second time changes nothing, and all is mended', async () => {
      await eachInLanes(lanes, everySecond(points), async (lane, { role, activity, occurrence }) => {
        const at = `twice ${activity}#${occurrence}`;
        await lane.renewed();
        await lane.site.arm(role, { activity, occurrence, when: 'after', act: 'retry' });
        const operation = await lane.reconcile();
        expect([at, operation.state, operation.notes, lane.site.wasStruck(role)]).toEqual([
          at,
          'completed',
          undefined,
          true,
        ]);
        await lane.mended(at);
      });
    }, 900_000);
  });
