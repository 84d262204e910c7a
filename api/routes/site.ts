import { SluiceError } from '../../domain/errors';
import { inClassOrder } from '../../domain/maintenance/site-order';
import { costOfChanging } from '../../domain/operation/plan-cost';
import type { ServiceRecord } from '../../domain/service/service';
import { singlyChanged } from '../../store/stilled';
import type { ApiDeps } from '../deps';
import { planOf } from '../dry-run';
import { requestOperation } from '../request-operation';
import { dryRunQuery, type Route, route } from '../route';
import { started } from '../schemas';

/** What is done to the site as a whole. */
export function siteRoutes(deps: ApiDeps): Route[] {
  const { store, siteId } = deps;

  async function inOrder(services: readonly ServiceRecord[]): Promise<ServiceRecord[][]> {
    const classed = await Promise.all(
      services.map(async (service) => ({ service, slaClass: await store.services.slaClass(service) })),
    );
    return inClassOrder(classed).map((group) => group.map((g) => g.service));
  }

  return [
    route({
      method: 'post',
      path: '/v1/site/shutdown',
      tag: 'site',
      summary: 'Still every service in order, so that hosts may be switched off',
      roles: ['operator'],
      query: dryRunQuery,
      responses: started,
      write: true,
      dryRun: true,
      handler: async (context) => {
        if (await store.site.shutdown(siteId))
          throw new SluiceError('transition-illegal', `${siteId} is shut down already: power it up.`);
        if (context.dryRun) {
          const services = (await store.services.all()).filter((s) => s.phase === 'operating');
          const groups = (await inOrder(services)).reverse();
          const running = (await store.vees.find({ living: true })).filter((v) => v.state === 'ACTIVE');
          return planOf(
            'site.shutdown',
            [
              'close every host',
              ...groups.flatMap((group, i) => group.map((s) => `${i + 1}. suspend ${s.tenantId}:${s.name}`)),
              'verify that nothing runs',
            ],
            costOfChanging(running.length, running.length),
          );
        }
        return requestOperation(deps, context, { kind: 'site.shutdown' });
      },
    }),
    route({
      method: 'post',
      path: '/v1/site/power-up',
      tag: 'site',
      summary: 'Bring back what the shutdown stilled, in order',
      roles: ['operator'],
      query: dryRunQuery,
      responses: started,
      write: true,
      dryRun: true,
      handler: async (context) => {
        const shutdown = await store.site.shutdown(siteId);
        if (!shutdown) throw new SluiceError('transition-illegal', `${siteId} is not shut down.`);
        if (context.dryRun) {
          const stilled = new Set(shutdown.services);
          const services = (await store.services.all()).filter(
            (s) => stilled.has(s.id) && s.phase === 'suspended',
          );
          const ids = new Set<string>(services.map((s) => s.id));
          const still = (await store.vees.find({ living: true })).filter(
            (v) => ids.has(v.serviceId) && v.state !== 'ACTIVE',
          );
          const spared = await singlyChanged(
            store,
            still.map((v) => v.id),
          );
          const vees = still.filter((v) => !spared.has(v.id));
          return planOf(
            'site.power-up',
            [
              `open ${shutdown.hosts.length} hosts once they are up`,
              ...(await inOrder(services)).flatMap((group, i) =>
                group.map((s) => `${i + 1}. resume ${s.tenantId}:${s.name}`),
              ),
            ],
            costOfChanging(vees.length, 0),
          );
        }
        return requestOperation(deps, context, { kind: 'site.power-up' });
      },
    }),
  ];
}
