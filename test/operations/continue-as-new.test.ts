import { Client, Connection } from '@temporalio/client';
import { type ServiceId, serviceWorkflowId } from '../../domain/ids';
import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

/** An entity continues as new after so many operations; 500 would do the same in a minute. */
const A_RUN = 25;
const RUNS = 4;
const VEES = 12;

/** A service that lives for years: its entity has to begin a new history now and then, whatever goes on meanwhile. */
describe('an entity under load', () => {
  let site: TestSite;
  let temporal: Client;

  beforeAll(async () => {
    site = await TestSite.start({
      environment: {
        SLUICE_ENTITY_OPERATIONS: String(A_RUN),
        // One operation is held all the while.
        SLUICE_ATTEMPT_MILLIS: '180000',
        SLUICE_GIVE_UP_MILLIS: '200000',
      },
    });
    const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? '' });
    temporal = new Client({ connection, namespace: process.env.TEMPORAL_NAMESPACE ?? '' });
  });
  afterAll(async () => {
    await temporal?.connection.close();
    await site?.stop();
  });

  it('continues as new with operations under way, and loses, doubles and forgets none', async () => {
    const component = { name: 'app', image: 'busybox', capacity: { cpuMillis: 10, memoryMiB: 8 } };
    const components = [{ ...component, instances: { initial: VEES + 1, max: VEES + 1 } }];
    const { serviceId } = await site.done(await site.apply(manifestOf('busy', { components, topology: {} })));
    const entity = temporal.workflow.getHandle(serviceWorkflowId(serviceId as ServiceId));
    const first = (await entity.describe()).runId;
    const [held, ...others] = await site.vees(serviceId);
    const [name = ''] = await site.arm('agent', {
      activity: 'changeVee',
      occurrence: 1,
      when: 'before',
      act: 'hold',
    });
    const longest = await site.post(`/v1/vees/${held.id}/pause`);
    await site.held('agent');

    // Refused while it begins anew: the client asks again, with the key that it had.
    let asked = 0;
    const ids = new Set<string>();
    const ask = async (client: TestSite, path: string): Promise<Json> => {
      for (;;) {
        const reply = await client.post(path);
        if (reply.status === 202) return reply.body;
        expect([path, reply.status, reply.body]).toEqual([path, 503, expect.anything()]);
        await new Promise((r) => setTimeout(r, 50));
      }
    };
    await Promise.all(
      others.map(async (vee: Json) => {
        for (let turn = 0; asked < A_RUN * RUNS; turn++) {
          const key = `busy-${asked++}`;
          const { id } = await ask(site.withKey(key), `/v1/vees/${vee.id}/${turn % 2 ? 'resume' : 'pause'}`);
          expect(id).toBe(site.operationIdOf(key));
          ids.add(id);
          expect((await site.ended(id)).state).toBe('completed');
        }
      }),
    );
    expect(ids.size).toBe(asked);
    const runs = new Set<string>();
    const query = `WorkflowId = "${serviceWorkflowId(serviceId as ServiceId)}"`;
    await site.until('all its runs are listed', 20_000, async () => {
      for await (const { runId } of temporal.workflow.list({ query })) runs.add(runId);
      return runs.size > RUNS ? true : undefined;
    });
    expect((await entity.describe()).runId).not.toBe(first);
    const closed = await temporal.workflow
      .getHandle(serviceWorkflowId(serviceId as ServiceId), first)
      .describe();
    expect(closed.status.name).toBe('CONTINUED_AS_NEW');

    // What began in the run before is still known to hold its VEE, and to have ended when it has.
    const refused = await site.post(`/v1/vees/${held.id}/suspend`);
    expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining(longest.body.id)]);
    await site.faults.release('agent', name);
    await site.done(longest);
    await site.done(await site.post(`/v1/vees/${held.id}/resume`));
    const of = await site.all(`/v1/operations?service=${serviceId}`);
    // The provisioning, what was asked, and the two of the one that was held.
    expect(of.filter((o: Json) => o.state === 'completed')).toHaveLength(asked + 3);
    expect(of).toHaveLength(asked + 3);
    expect(await site.violations()).toEqual([]);
  }, 240_000);
});
