import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { type OperationId, operationWorkflowId } from '../../../domain/ids';
import type { Json } from '../../support/json';
import { manifestOf } from '../../support/manifests';
import { secondOperator } from '../../support/second-operator';
import { TestSite } from '../../support/site';
import { operating } from '../scenarios';
import { cleaned, expectWhole, veeOf } from './support';

describe('requests that cross', () => {
  let site: TestSite;
  let serial = 0;
  const fresh = () => `r${serial++}`;

  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());
  afterEach(() => cleaned(site));

  describe('cancel during undo', () => {
    /** A provisioning that fails, caught in the middle of its undo. */
    async function undoing(): Promise<string> {
      await site.arm(
        'agent',
        { activity: 'awaitReady', occurrence: 1, when: 'before', act: 'fail' },
        { activity: 'destroyVee', occurrence: 1, when: 'before', act: 'hold' },
      );
      const { body } = await site.apply(manifestOf(fresh()));
      await site.held('agent');
      await site.until('it is undoing', 5_000, async () =>
        (await site.get(`/v1/operations/${body.id}`)).body.state === 'undoing' ? true : undefined,
      );
      return body.id;
    }
    async function nothingIsLeft(id: string): Promise<void> {
      const operation = await site.ended(id);
      expect([operation.state, operation.error.code]).toEqual(['undone', 'driver-refused']);
      expect(operation.steps.filter((s: Json) => ['abandoned', 'stuck'].includes(s.state))).toEqual([]);
      expect(await site.onHosts()).toEqual([]);
      expect((await site.get('/v1/holdings')).body.items).toEqual([]);
      await expectWhole(site);
    }

    it('by an operator is refused, and the undo goes to its end', async () => {
      const id = await undoing();
      for (let i = 0; i < 2; i++) {
        const { status, body } = await site.post(`/v1/operations/${id}/cancel`);
        expect([status, body.code]).toEqual([409, 'not-cancellable']);
      }
      await site.release('agent');
      await nothingIsLeft(id);
    });

    it('by Temporal’s own cancel does not cut the undo short', async () => {
      const id = await undoing();
      const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? '' });
      const client = new Client({ connection, namespace: process.env.TEMPORAL_NAMESPACE ?? '' });
      await client.workflow.getHandle(operationWorkflowId(id as OperationId)).cancel();
      await connection.close();
      await site.release('agent');
      await nothingIsLeft(id);
    });

    it('that began as a cancel: a second cancel changes nothing', async () => {
      const serviceId = await operating(site, fresh());
      const vee = await veeOf(site, serviceId);
      await site.arm(
        'agent',
        { activity: 'sendVee', occurrence: 1, when: 'after', act: 'hold' },
        { activity: 'cancelMigration', occurrence: 1, when: 'before', act: 'hold' },
      );
      const { id } = (await site.post(`/v1/vees/${vee.id}/migrate`, {})).body;
      await site.held('agent');
      expect((await site.post(`/v1/operations/${id}/cancel`)).status).toBe(202);
      await site.release('agent');
      await site.until('it is undoing', 10_000, async () =>
        (await site.get(`/v1/operations/${id}`)).body.state === 'undoing' ? true : undefined,
      );
      expect((await site.post(`/v1/operations/${id}/cancel`)).body.code).toBe('not-cancellable');
      await site.held('agent');
      await site.release('agent');
      const ended = await site.ended(id);
      expect([ended.state, ended.error.code]).toEqual(['undone', 'cancelled']);
      expect((await veeOf(site, serviceId)).hostId).toBe(vee.hostId);
      await expectWhole(site);
    });
  });

  describe('the same request sent by two operators at once', () => {
    let second: string;

    beforeAll(async () => {
      second = await secondOperator(site);
    });

    const both = (method: string, path: string, body?: unknown) =>
      Promise.all(
        [site.system.access.token, second].map((token) => site.send(method, path, { body, token })),
      );

    it('apply: one service, one operation, and both are told of it', async () => {
      const manifest = manifestOf(fresh());
      const replies = await both('POST', '/v1/services?tenant=acme', manifest);
      expect(replies.map((r) => r.status)).toEqual([202, 202]);
      expect(replies[0]?.body.id).toBe(replies[1]?.body.id);
      await site.ended(replies[0]?.body.id);
      expect((await site.get(`/v1/services?name=${manifest.name}`)).body.items).toHaveLength(1);
      await expectWhole(site);
    });

    it.each([
      ['migrate', {}],
      ['pause', undefined],
      ['restart', undefined],
      ['resize', { cpuMillis: 200 }],
    ] as const)('%s: one of them does it, and the other is told who', async (verb, body) => {
      const vee = await veeOf(site, await operating(site, fresh()));
      // Slow enough that the second comes while the first is under way.
      await site.script(vee.hostId, {
        latencyMillis: { pause: 500, stop: 500, resize: 500, send: 500 },
      });
      const replies = await both('POST', `/v1/vees/${vee.id}/${verb}`, body);
      const [done, refused] = [...replies].sort((a, b) => a.status - b.status);
      expect([done?.status, refused?.status, refused?.body.code]).toEqual([
        202,
        409,
        'operation-in-progress',
      ]);
      expect(refused?.body.detail).toContain(done?.body.id);
      expect((await site.ended(done?.body.id)).state).toBe('completed');
      const { body: all } = await site.get(`/v1/operations?vee=${vee.id}`);
      expect(all.items).toHaveLength(1);
      await expectWhole(site);
    });

    it('scale: the count is what was asked for, once', async () => {
      const serviceId = await operating(site, fresh());
      const replies = await both('POST', `/v1/services/${serviceId}/components/app/scale`, { instances: 4 });
      expect(replies.map((r) => r.status)).toEqual([202, 202]);
      for (const reply of replies) expect((await site.ended(reply.body.id)).state).toBe('completed');
      expect((await site.vees(serviceId, false)).filter((v) => v.component === 'app')).toHaveLength(4);
      await expectWhole(site);
    });

    it('delete: it ends once', async () => {
      const serviceId = await operating(site, fresh());
      for (const hostId of site.hostIds) await site.script(hostId, { latencyMillis: { destroy: 300 } });
      const replies = await both('DELETE', `/v1/services/${serviceId}`);
      const [done, refused] = [...replies].sort((a, b) => a.status - b.status);
      expect([done?.status, refused?.status]).toEqual([202, 409]);
      expect((await site.ended(done?.body.id)).state).toBe('completed');
      for (const vee of await site.vees(serviceId, false)) {
        const { body } = await site.get(`/v1/events?subject=${vee.id}`);
        expect(body.items.filter((e: Json) => e.kind === 'vee.destroyed')).toHaveLength(1);
      }
      await expectWhole(site);
    });

    it('the very same key from both is two requests, since a key is its sender’s', async () => {
      const vee = await veeOf(site, await operating(site, fresh()));
      const headers = { 'Idempotency-Key': randomUUID() };
      const first = await site.send('POST', `/v1/vees/${vee.id}/pause`, { headers });
      await site.done(first);
      const other = await site.send('POST', `/v1/vees/${vee.id}/pause`, { headers, token: second });
      expect([other.status, other.body.code]).toEqual([409, 'transition-illegal']);
      await expectWhole(site);
    });
  });
});
