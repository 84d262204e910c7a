import type { Scenario } from '../operations/every-step-suite';
import type { Json } from '../support/json';
import { TestSite } from '../support/site';

const NOT_A_STEP = new Set(['watchSite', 'reportOperation']);

/**
 * SIGKILL of the process that makes a step, before and after its effect, at every step; and of the site
 * worker while an agent is in the middle of a verb. Whatever dies, the operation completes.
 */
export function killEachStep({ name, prepare, start }: Scenario): void {
  describe(`${name}, with a process killed at each step`, () => {
    let site: TestSite;
    let points: { role: string; activity: string; occurrence: number }[];
    let serial = 0;
    const fresh = () => `k${serial++}`;

    beforeAll(async () => {
      site = await TestSite.start();
      const subject = await prepare(site, fresh());
      const traced = await site.trace(async () => site.done(await start(site, subject)));
      points = traced.filter((p) => !NOT_A_STEP.has(p.activity));
    }, 60_000);
    afterAll(() => site.stop());

    async function survives(at: string, strike: (subject: string) => Promise<Json>): Promise<void> {
      const subject = await prepare(site, fresh());
      const operation = await strike(subject);
      expect([at, operation.state]).toEqual([at, 'completed']);
      expect([at, await site.violations()]).toEqual([at, []]);
      const { body } = await site.get('/v1/services?limit=200');
      for (const service of body.items.filter((s: Json) => s.phase !== 'decommissioned'))
        await site.done(await site.delete(`/v1/services/${service.id}`));
      expect([at, await site.onHosts()]).toEqual([at, []]);
    }

    it.each(['site', 'agent'])(
      'the %s process',
      async (role) => {
        const mine = points.filter((p) => p.role === role);
        expect(mine.length).toBeGreaterThan(1);
        for (const { activity, occurrence } of mine)
          for (const when of ['before', 'after'] as const)
            await survives(`kill ${role} ${when} ${activity}#${occurrence}`, async (subject) => {
              const pid = site.system.child(role).pid;
              await site.arm(role, { activity, occurrence, when, act: 'kill' });
              const operation = await site.ended((await start(site, subject)).body.id);
              expect([activity, site.wasStruck(role), site.system.child(role).pid === pid]).toEqual([
                activity,
                true,
                false,
              ]);
              return operation;
            });
      },
      900_000,
    );

    it('the site worker, while an agent is in the middle of a verb', async () => {
      for (const { activity, occurrence } of points.filter((p) => p.role === 'agent'))
        await survives(`kill site during ${activity}#${occurrence}`, async (subject) => {
          await site.arm('agent', { activity, occurrence, when: 'before', act: 'hold' });
          const { body } = await start(site, subject);
          await site.held('agent');
          process.kill(site.system.child('site').pid ?? 0, 'SIGKILL');
          await site.release('agent');
          return site.ended(body.id);
        });
    }, 600_000);
  });
}
