import { setTimeout as delay } from 'node:timers/promises';
import { choosePort } from '../../supervisor/ports';
import { CutProxy } from '../support/cut-proxy';
import { DoubleWatch } from '../support/double-watch';
import type { Json } from '../support/json';
import { momentsOf } from '../support/lanes';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

const CAPACITY = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };
const LOST_MILLIS = 2_000;
/** What the host that is cut off takes for each verb, so that every operation is caught in the middle of one. */
/** Long enough that all of them are met in the middle also on a slow machine, and shorter than an attempt. */
const VERB_MILLIS = 2_500;
const VERBS = ['define', 'start', 'pause', 'destroy', 'send', 'switchOver'];

/** What is done about a host that is lost while, unknown to anybody, it still runs its VEEs. */
interface Response {
  readonly name: string;
  act(site: TestSite, hostId: string): Promise<void>;
  /** Are its VEEs made anew elsewhere before it is back? Then two copies run until it hears of that. */
  readonly replaces: boolean;
}
const RESPONSES: readonly Response[] = [
  { name: 'nothing is done about it', act: async () => undefined, replaces: false },
  {
    name: 'an operator, who is wrong, says that it is down and has it recovered',
    replaces: true,
    act: async (site, hostId) => {
      const reply = await site.post(`/v1/hosts/${hostId}/recover`, { confirmedDown: true });
      if (reply.status !== 202) throw new Error(`not recovered: ${JSON.stringify(reply.body)}`);
    },
  },
];

/** How long the cut lasts, by what operations do meanwhile. */
const LENGTHS = ['shorter than operations wait', 'longer than they wait, undo and all'] as const;
const CONNECTIONS = ['go on', 'break'] as const;

/**
 * The split-brain case: an agent that can reach neither Temporal nor the API, for longer than it takes to be
 * lost, while its VEEs run on; then it is back, with all that was on its way to it and from it.
 */
describe('a host that is cut off from everything, with an operation in the middle of each verb', () => {
  let site: TestSite;
  let ways: readonly CutProxy[];
  let serial = 0;

  beforeAll(async () => {
    const api = await choosePort('the API', 0, 0);
    ways = await Promise.all([`127.0.0.1:${api}`, process.env.TEMPORAL_ADDRESS ?? ''].map(CutProxy.to));
    const [toApi, toTemporal] = ways as [CutProxy, CutProxy];
    const host = (id: string) => ({ id, driver: 'simulator', capacity: CAPACITY });
    site = await TestSite.start({
      ports: { api },
      agents: [
        {
          id: 'far',
          hosts: [host('host-1')],
          environment: {
            SLUICE_API_URL: `http://${toApi.address}`,
            TEMPORAL_ADDRESS: toTemporal.address,
          },
        },
        { id: 'near', hosts: [host('host-2'), host('host-3')] },
      ],
      environment: {
        SLUICE_SUSPECT_MILLIS: '800',
        SLUICE_LOST_MILLIS: String(LOST_MILLIS),
        SLUICE_ATTEMPT_MILLIS: '4000',
        SLUICE_GIVE_UP_MILLIS: '8000',
        SLUICE_UNDO_GIVE_UP_MILLIS: '8000',
      },
    });
  }, 60_000);
  afterAll(async () => {
    await site.stop();
    for (const way of ways) await way.close();
  });

  const liveness = async (hostId: string) => (await site.get(`/v1/hosts/${hostId}`)).body.liveness;
  const becomes = (hostId: string, state: string) =>
    site.until(`${hostId} is ${state}`, 20_000, async () =>
      (await liveness(hostId)) === state ? true : undefined,
    );
  const operation = async (id: string) => (await site.get(`/v1/operations/${id}`)).body;

  /** One VEE that may be on the given hosts only, the first of them for a start. */
  const manifest = (name: string, allowHosts: readonly string[]) => ({
    ...manifestOf(name),
    components: [{ name: 'db', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } }],
    topology: {},
    placement: { assignment: [{ component: 'db', allowHosts }] },
  });
  async function running(name: string, first: string, ...others: string[]): Promise<Json> {
    for (const other of others) await site.post(`/v1/hosts/${other}/cordon`);
    const { serviceId } = await site.done(
      await site.apply(manifest(`${name}-${serial}`, [first, ...others])),
    );
    for (const other of others) await site.post(`/v1/hosts/${other}/uncordon`);
    const [vee] = await site.vees(serviceId);
    expect(vee.hostId).toBe(first);
    return vee;
  }

  describe.each(RESPONSES)('while $name', ({ act, replaces }) => {
    describe.each(LENGTHS)('and the cut is %s', (length) => {
      const turn = LENGTHS.indexOf(length) + (replaces ? 1 : 0);
      it.each(momentsOf(turn, CONNECTIONS))(
        'and its connections %s: no VEE runs twice, every operation ends right, it is heard again',
        async (connections) => {
          serial++;
          // One after the other: each closes the hosts that it may move to while it is placed.
          const rests = await running('rests', 'host-1', 'host-2');
          const leaves = await running('leaves', 'host-1', 'host-2');
          const comes = await running('comes', 'host-2', 'host-1');
          const pauses = await running('pauses', 'host-1', 'host-3');
          const ends = await running('ends', 'host-1', 'host-2');
          const elsewhere = await running('elsewhere', 'host-2', 'host-3');
          await site.script('host-1', {
            latencyMillis: Object.fromEntries(VERBS.map((v) => [v, VERB_MILLIS])),
          });
          const doubles = new DoubleWatch(site.dataDir);
          const started = await Promise.all([
            site.post(`/v1/vees/${leaves.id}/migrate`, { toHost: 'host-2' }),
            site.post(`/v1/vees/${comes.id}/migrate`, { toHost: 'host-1' }),
            site.post(`/v1/vees/${pauses.id}/pause`),
            site.delete(`/v1/services/${ends.serviceId}`),
            site.apply(manifest(`begins-${serial}`, ['host-1'])),
          ]);
          expect(started.map((s) => s.status)).toEqual([202, 202, 202, 202, 202]);
          const ids: string[] = started.map((s) => s.body.id);
          const caught = ['send', 'switch over', 'pause db/0', 'destroy db/0', 'define db/0'];
          await site.until('each is in the middle of a verb', 10_000, async () => {
            const all = await Promise.all(ids.map(operation));
            const at = all.map((o) => o.steps?.find((s: Json) => s.state === 'running')?.name);
            return caught.every((step, i) => at[i] === step) ? true : undefined;
          });
          for (const way of ways) way.cut();
          expect(ways.map((w) => w.connections > 0)).toEqual([true, true]);

          await becomes('host-1', 'lost');
          await act(site, 'host-1');
          // What does not need the host is not held up by its loss.
          await site.done(await site.post(`/v1/vees/${elsewhere.id}/migrate`, { toHost: 'host-3' }));
          if (length === LENGTHS[0]) await delay(1_000);
          else await Promise.all(ids.map((id) => site.ended(id, 30_000)));
          for (const way of ways) way.heal(connections);
          await site.script('host-1');
          await becomes('host-1', 'up');

          const underWay = await site.all('/v1/operations');
          const recoveries = underWay.filter((o) => o.kind === 'host.recover' && o.endedAt === undefined);
          const all = [...ids, ...recoveries.map((o): string => o.id)];
          const ended = await Promise.all(all.map((id) => retriedToItsEnd(id)));
          for (const { state, id, kind } of ended)
            expect([id, kind, state]).toEqual([id, kind, expect.stringMatching(/^(completed|undone)$/)]);
          const twice = await doubles.stop();
          if (!replaces) expect(twice).toEqual([]);
          // Its own copies of what was made anew elsewhere are ended once it has heard of that.
          await site
            .until('its hosts are as recorded', 15_000, async () =>
              (await site.disagreements()).length === 0 ? true : undefined,
            )
            .catch(async () => expect(await site.disagreements()).toEqual([]));
          expect(await site.violations()).toEqual([]);
          expect((await site.get(`/v1/vees/${rests.id}`)).body).toMatchObject({
            state: 'ACTIVE',
            hostId: replaces ? 'host-2' : 'host-1',
            observed: 'ACTIVE',
          });

          for (const service of await site.all('/v1/services'))
            if (service.phase !== 'decommissioned')
              await site.done(await site.delete(`/v1/services/${service.id}`));
          expect(await site.onHosts()).toEqual([]);
        },
        120_000,
      );
    });
  });

  /** As an operator would: what is stuck is tried again once the host is there. */
  async function retriedToItsEnd(id: string): Promise<Json> {
    for (let tries = 0; tries < 5; tries++) {
      const at = await site.ended(id, 30_000);
      if (at.endedAt !== undefined) return at;
      await site.post(`/v1/operations/${id}/retry`);
      await site.until(`${id} goes on`, 5_000, async () =>
        (await operation(id)).state === 'stuck' ? undefined : true,
      );
    }
    return operation(id);
  }
});
