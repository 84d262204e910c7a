import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Json } from '../../support/json';
import { manifestOf } from '../../support/manifests';
import { TestSite } from '../../support/site';
import { operating } from '../scenarios';
import {
  ATTEMPT_MILLIS,
  cleaned,
  copiesOf,
  expectWhole,
  GIVE_UP_MILLIS,
  impatientSite,
  retried,
  veeOf,
} from './support';

let site: TestSite;
let serial = 0;
const fresh = () => `l${serial++}`;

describe('an answer that came too late', () => {
  beforeAll(async () => {
    site = await impatientSite();
  });
  afterAll(() => site.stop());
  afterEach(() => cleaned(site));

  describe('a request that timed out on the wire while the host went on: state follows the host, not the timeout', () => {
    async function late(millis: number): Promise<{ vee: Json; ended: Json }> {
      const vee = await veeOf(site, await operating(site, fresh()));
      await site.script(vee.hostId, {
        faults: [
          {
            verb: 'pause',
            call: await site.nextCall(vee.hostId, 'pause'),
            when: 'before',
            do: 'delay',
            millis,
          },
        ],
      });
      const { body } = await site.post(`/v1/vees/${vee.id}/pause`);
      const first = await site.ended(body.id);
      await site.script(vee.hostId);
      return { vee, ended: first.state === 'stuck' ? await retried(site, body.id) : first };
    }

    it('one attempt timed out: the next finds what the first has done', async () => {
      const { vee, ended } = await late(1.5 * ATTEMPT_MILLIS);
      expect(ended.state).toBe('completed');
      expect(await copiesOf(site, vee.id)).toEqual([{ hostId: vee.hostId, state: 'PAUSED', epoch: 1 }]);
      await expectWhole(site);
    });

    it('all attempts timed out, and the host does it after that: it is undone, and the host shows that', async () => {
      const { vee, ended } = await late(GIVE_UP_MILLIS + ATTEMPT_MILLIS);
      expect([ended.state, ended.error.code]).toEqual(['undone', 'outcome-unknown']);
      await delay(2 * ATTEMPT_MILLIS);
      expect(await copiesOf(site, vee.id)).toEqual([{ hostId: vee.hostId, state: 'ACTIVE', epoch: 1 }]);
      await expectWhole(site);
    });

    it('a client’s request timed out, and the API went on: the same request again is the same operation', async () => {
      const vee = await veeOf(site, await operating(site, fresh()));
      const headers = { 'Idempotency-Key': randomUUID() };
      const api = site.system.child('api').pid ?? 0;
      process.kill(api, 'SIGSTOP');
      const { apiUrl, token } = site.system.access;
      const given = fetch(new URL(`/v1/vees/${vee.id}/pause`, apiUrl), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, ...headers },
        signal: AbortSignal.timeout(300),
      });
      await expect(given).rejects.toThrow(/timeout/);
      process.kill(api, 'SIGCONT');
      const again = await site.post(`/v1/vees/${vee.id}/pause`, undefined, headers);
      await site.done(again);
      const { body } = await site.get(`/v1/operations?vee=${vee.id}`);
      expect(body.items.map((o: Json) => [o.id, o.state])).toEqual([[again.body.id, 'completed']]);
      await expectWhole(site);
    });
  });
});

describe('an answer that never came', () => {
  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());
  afterEach(() => cleaned(site));

  describe('a create whose answer was lost: exactly one VEE exists afterwards, found by its id', () => {
    const onlyCopies = async (serviceId: string) => {
      const vees = await site.vees(serviceId, false);
      expect(vees.map((v) => v.component).sort()).toEqual(['app', 'db']);
      for (const v of vees)
        expect(await copiesOf(site, v.id)).toEqual([{ hostId: v.hostId, state: 'ACTIVE', epoch: 1 }]);
      expect((await site.onHosts()).map((v) => v.veeId).sort()).toEqual(vees.map((v) => v.id).sort());
    };

    it.each(['defineVee', 'startVee'])('the agent is killed between %s and its answer', async (activity) => {
      await site.arm('agent', { activity, occurrence: 1, when: 'after', act: 'kill' });
      const operation = await site.ended((await site.apply(manifestOf(fresh()))).body.id);
      expect([operation.state, site.wasStruck('agent')]).toEqual(['completed', true]);
      await onlyCopies(operation.serviceId);
      await expectWhole(site);
    });

    it('the driver makes it and says that it failed', async () => {
      const faults = ['define', 'start'].map(
        (verb) => ({ verb, when: 'after', do: 'fail', code: 'driver-failed' }) as const,
      );
      for (const hostId of site.hostIds)
        await site.script(hostId, {
          faults: await Promise.all(
            faults.map(async (f) => ({ ...f, call: await site.nextCall(hostId, f.verb) })),
          ),
        });
      const { serviceId } = await site.done(await site.apply(manifestOf(fresh())));
      await onlyCopies(serviceId);
      await expectWhole(site);
    });

    it('the API is killed before it answers the client, who asks again', async () => {
      const manifest = manifestOf(fresh());
      const headers = { 'Idempotency-Key': randomUUID() };
      const first = site.apply(manifest, headers).catch(() => undefined);
      await delay(5);
      process.kill(site.system.child('api').pid ?? 0, 'SIGKILL');
      await first;
      const again = await site.until('it is answered', 20_000, async () => {
        const reply = await site.apply(manifest, headers).catch(() => undefined);
        return reply?.status === 202 ? reply : undefined;
      });
      const { serviceId } = await site.done(again);
      const { body } = await site.get(`/v1/services?name=${manifest.name}`);
      expect(body.items.map((s: Json) => s.id)).toEqual([serviceId]);
      await onlyCopies(serviceId);
      await expectWhole(site);
    });
  });
});
