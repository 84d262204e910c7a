import { Context } from '@temporalio/activity';
import { SluiceError } from '../domain/errors';
import type { HostId, OperationId, ServiceId } from '../domain/ids';
import { inClassOrder, type OrderedService } from '../domain/maintenance/site-order';
import type { ServicePhase } from '../domain/service/service';
import type { SiteDeps } from './deps';

interface Of {
  readonly operationId: OperationId;
}

/** How long hosts are given to come up before the operator is asked. */
const HOSTS_UP_MILLIS = 60_000;
const POLL_MILLIS = 500;

/** Activities of the site's orderly shutdown and power-up. */
export function createSitePowerActivities(deps: SiteDeps) {
  const { store, siteId } = deps;

  async function services(phase: ServicePhase): Promise<OrderedService[]> {
    const found = (await store.services.all()).filter((s) => s.phase === phase);
    return Promise.all(
      found.map(async (service) => ({
        serviceId: service.id,
        name: service.name,
        slaClass: await store.services.slaClass(service),
      })),
    );
  }

  async function open(hostIds: readonly HostId[], cordoned: boolean): Promise<void> {
    for (const id of hostIds) {
      // Drained since: it is for its restore to open it.
      if (!cordoned && (await store.hosts.get(id))?.maintenance) continue;
      await store.hosts.setCordoned(id, cordoned);
    }
  }

  async function tell({ operationId }: Of, kind: 'down' | 'up', message: string): Promise<void> {
    await store.events.append({
      id: `${operationId}/site/${kind}`,
      at: deps.now(),
      kind: `site.${kind}`,
      message,
      subject: siteId,
      operationId,
    });
  }

  return {
    /** Nothing new is placed from now on. */
    async closeSite({ operationId }: Of): Promise<void> {
      const hosts = (await store.hosts.all()).filter((h) => !h.cordoned).map((h) => h.id);
      await store.site.beginShutdown(siteId, { operationId, since: deps.now(), hosts, services: [] });
      await open((await store.site.shutdown(siteId))?.hosts ?? [], true);
    },

    /** Undo of `closeSite`. */
    async reopenSite({ operationId }: Of): Promise<void> {
      const shutdown = await store.site.shutdown(siteId);
      if (shutdown?.operationId !== operationId) return;
      await open(shutdown.hosts, false);
      await store.site.endShutdown(siteId);
    },

    /** Services that run, in groups that may go down side by side: the best class last. */
    listToStill: async (): Promise<OrderedService[][]> => inClassOrder(await services('operating')).reverse(),

    noteStilled: ({ serviceId }: { serviceId: ServiceId }) => store.site.noteStilled(siteId, serviceId),

    isStill: async ({ serviceId }: { serviceId: ServiceId }): Promise<boolean> =>
      (await store.services.get(serviceId))?.phase === 'suspended',

    /** @throws SluiceError `conflict` naming what still runs */
    async verifyStill(call: Of): Promise<void> {
      const running = await store.vees.find({ state: 'ACTIVE' });
      if (running.length > 0)
        throw new SluiceError(
          'conflict',
          `${running.length} VEEs still run: ${running
            .slice(0, 10)
            .map((v) => `${v.component}/${v.index} on ${v.hostId}`)
            .join(', ')}.`,
        );
      await tell(call, 'down', `${siteId} is down: hosts may be switched off`);
    },

    /** Waits for every host that holds something, and opens those that the shutdown closed. */
    async openSite(): Promise<void> {
      const until = deps.now() + HOSTS_UP_MILLIS;
      for (;;) {
        const down = (await store.hosts.all()).filter(
          (h) => h.liveness !== 'up' && Object.keys(h.reservations).length > 0,
        );
        if (down.length === 0) break;
        if (deps.now() > until)
          throw new SluiceError(
            'host-unreachable',
            `Not up yet: ${down.map((h) => h.id).join(', ')}. Switch them on, or recover them, and retry.`,
          );
        await Context.current().sleep(POLL_MILLIS);
      }
      await open((await store.site.shutdown(siteId))?.hosts ?? [], false);
    },

    /** Undo of `openSite`. */
    closeSiteAgain: async () => open((await store.site.shutdown(siteId))?.hosts ?? [], true),

    /** What the shutdown stilled and nobody has touched since, in groups: the best class first. */
    async listToWake(): Promise<OrderedService[][]> {
      const stilled = new Set((await store.site.shutdown(siteId))?.services);
      return inClassOrder((await services('suspended')).filter((s) => stilled.has(s.serviceId)));
    },

    async endShutdown(call: Of): Promise<void> {
      await store.site.endShutdown(siteId);
      await tell(call, 'up', `${siteId} is up again`);
    },
  };
}
