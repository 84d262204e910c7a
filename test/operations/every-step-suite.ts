import type { Json } from '../support/json';
import { TestSite } from '../support/site';

/** An operation under test: fresh parameters before each run, and what must hold whatever happened. */
export interface Scenario {
  readonly name: string;
  /** Makes what the operation acts on. @returns the service */
  prepare(site: TestSite, service: string): Promise<string>;
  start(site: TestSite, serviceId: string): Promise<Json>;
}

/** Never part of an operation: the site's own watch. */
const NOT_A_STEP = new Set(['watchSite', 'reportOperation']);

/** Fails, repeats and undoes each step of an operation in turn; which steps there are, it finds out by itself. */
export function everyStep({ name, prepare, start }: Scenario): void {
  describe(`${name}, each of its steps`, () => {
    let site: TestSite;
    let points: { role: string; activity: string; occurrence: number }[];
    let serial = 0;
    const fresh = () => `s${serial++}`;

    beforeAll(async () => {
      site = await TestSite.start();
      const subject = await prepare(site, fresh());
      const traced = await site.trace(async () => site.done(await start(site, subject)));
      points = traced.filter((p) => !NOT_A_STEP.has(p.activity));
    }, 60_000);
    afterAll(() => site.stop());

    /** Decommissions what is left, so that each run starts from a clean slate, and sees that it is one. */
    async function clean(): Promise<void> {
      const { body } = await site.get('/v1/services?limit=200');
      for (const service of body.items.filter((s: Json) => s.phase !== 'decommissioned'))
        await site.done(await site.delete(`/v1/services/${service.id}`));
      expect(await site.onHosts()).toEqual([]);
      expect((await site.get('/v1/reservations')).body.items).toEqual([]);
    }

    it('has steps', () => {
      expect(points.length).toBeGreaterThanOrEqual(3);
    });

    it('fails before and after each: it ends undone, or goes forward once the operator retries', async () => {
      for (const { role, activity, occurrence } of points)
        for (const when of ['before', 'after'] as const) {
          const at = `${when} ${activity}#${occurrence}`;
          const subject = await prepare(site, fresh());
          await site.arm(role, { activity, occurrence, when, act: 'fail' });
          const reply = await start(site, subject);
          let operation = await site.ended(reply.body.id);
          expect([at, site.wasStruck(role)]).toEqual([at, true]);
          if (operation.state === 'stuck') {
            expect([at, operation.stuck.error.detail]).toEqual([at, `Injected ${when} ${activity}.`]);
            await site.post(`/v1/operations/${operation.id}/retry`);
            operation = await site.until(`${at}: goes on`, 20_000, async () => {
              const { body } = await site.get(`/v1/operations/${operation.id}`);
              return body.endedAt === undefined ? undefined : body;
            });
            expect([at, operation.state]).toEqual([at, 'completed']);
          } else {
            expect([at, operation.state, operation.error?.detail]).toEqual([
              at,
              'undone',
              `Injected ${when} ${activity}.`,
            ]);
            expect(
              operation.steps.filter((s: Json) => s.state === 'stuck' || s.state === 'abandoned'),
            ).toEqual([]);
          }
          expect([at, await site.violations()]).toEqual([at, []]);
          await clean();
        }
    }, 600_000);

    it('makes each twice: the second time changes nothing, and it completes', async () => {
      for (const { role, activity, occurrence } of points) {
        const at = `twice ${activity}#${occurrence}`;
        const subject = await prepare(site, fresh());
        await site.arm(role, { activity, occurrence, when: 'after', act: 'retry' });
        const operation = await site.ended((await start(site, subject)).body.id);
        expect([at, operation.state, site.wasStruck(role)]).toEqual([at, 'completed', true]);
        expect([at, await site.violations()]).toEqual([at, []]);
        await clean();
      }
    }, 600_000);

    it('makes each undo twice: what was undone stays undone', async () => {
      const last = points[points.length - 1];
      if (!last) throw new Error('no steps');
      const failLast = {
        activity: last.activity,
        occurrence: last.occurrence,
        when: 'before',
        act: 'fail',
      } as const;
      const subject = await prepare(site, fresh());
      await site.arm(last.role, failLast);
      let state = '';
      const traced = await site.trace(async () => {
        const operation = await site.ended((await start(site, subject)).body.id);
        state = operation.state;
        if (state === 'stuck') await site.post(`/v1/operations/${operation.id}/retry`);
      });
      // Past its point of no return it has no undo to repeat.
      if (state === 'stuck') return;
      await clean();
      const undos = traced.filter((p) => !NOT_A_STEP.has(p.activity)).slice(points.length);
      expect(undos.length).toBeGreaterThan(0);
      for (const undo of undos) {
        const again = await prepare(site, fresh());
        const repeat = {
          activity: undo.activity,
          occurrence: undo.occurrence,
          when: 'after',
          act: 'retry',
        } as const;
        if (undo.role === last.role) await site.arm(last.role, failLast, repeat);
        else {
          await site.arm(last.role, failLast);
          await site.arm(undo.role, repeat);
        }
        const operation = await site.ended((await start(site, again)).body.id);
        expect([undo, operation.state, site.wasStruck(undo.role)]).toEqual([undo, 'undone', true]);
        expect([undo, await site.violations()]).toEqual([undo, []]);
        await clean();
      }
    }, 600_000);
  });
}
