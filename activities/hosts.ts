import { Context } from '@temporalio/activity';
import { SluiceError } from '../domain/errors';
import { type DepartedVee, type Fencing, isFenced, type ReportedState } from '../domain/host';
import type { HostId, OperationId, ServiceId, VeeId } from '../domain/ids';
import { planReturn, type Return } from '../domain/maintenance/plan';
import type { SlaClass } from '../domain/manifest/sla-class';
import { occupiesHost } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import { labelsOf } from '../store/labels';
import { hostOf } from '../store/snapshot';
import type { SiteDeps } from './deps';
import { childId } from './operations';
import { serviceOf } from './planning';

interface OnHost {
  readonly operationId: OperationId;
  readonly hostId: HostId;
}

/** A service that has VEEs on a host. */
export interface Occupant {
  readonly serviceId: ServiceId;
  readonly name: string;
  readonly slaClass: SlaClass;
  readonly vees: number;
}

/** How long a drained host is given to report that it runs nothing. */
const REPORT_MILLIS = 30_000;
/** What takes up a host, as its driver tells it. */
const RUNNING: readonly ReportedState[] = ['ACTIVE', 'PAUSED', 'INCOMING', 'OUTGOING'];
const POLL_MILLIS = 200;

/** Activities about a host as a whole: emptying it, opening it again, and what becomes of one that is lost. */
export function createHostActivities(deps: SiteDeps) {
  const { store } = deps;

  const livingOn = async (hostId: HostId) =>
    (await store.vees.find({ hostId, living: true })).filter((v) => occupiesHost(v.state));

  async function tell({ operationId, hostId }: OnHost, kind: string, message: string): Promise<void> {
    await store.events.append({
      id: `${operationId}/${hostId}/${kind}`,
      at: deps.now(),
      kind: `host.${kind}`,
      message,
      subject: hostId,
      operationId,
    });
  }

  return {
    async beginMaintenance(call: OnHost): Promise<void> {
      await store.hosts.beginMaintenance(call.hostId, call.operationId, deps.now());
      await tell(call, 'draining', `${call.hostId} is being emptied`);
    },

    abandonMaintenance: ({ hostId, operationId }: OnHost) =>
      store.hosts.abandonMaintenance(hostId, operationId),

    /** Services that have VEEs there. */
    async listOccupants({ hostId }: { hostId: HostId }): Promise<Occupant[]> {
      const count = new Map<ServiceId, number>();
      for (const { serviceId } of await livingOn(hostId))
        count.set(serviceId, (count.get(serviceId) ?? 0) + 1);
      return Promise.all(
        [...count].map(async ([serviceId, vees]) => {
          const service = await serviceOf(store, serviceId);
          return { serviceId, name: service.name, slaClass: await store.services.slaClass(service), vees };
        }),
      );
    },

    /** Keeps what an operation of this one moved away, so that it can be brought back; names what it left. */
    async noteDeparted(
      call: OnHost & { serviceId: ServiceId; key: string },
    ): Promise<{ remaining: { veeId: VeeId; about: string }[] }> {
      const { operationId, hostId, serviceId, key } = call;
      const moved = await store.vees.movedBy(childId(operationId, key));
      const departed: DepartedVee[] = moved
        .filter((v) => v.hostId !== hostId)
        .map(({ id, serviceId, epoch }) => ({ veeId: id, serviceId, epoch }));
      await store.hosts.noteDeparted(hostId, operationId, departed);
      const remaining = (await livingOn(hostId)).filter((v) => v.serviceId === serviceId);
      return { remaining: remaining.map((v) => ({ veeId: v.id, about: `${v.component}/${v.index}` })) };
    },

    /**
     * A host is drained when its records are empty and its driver, asked after that, says that it runs nothing. Of one
     * that is silent nobody knows, unless it is lost and fenced.
     * @param tolerated may VEEs that can't move be left on it?
     * @throws SluiceError `drain-incomplete` naming what is still there
     */
    async verifyDrained(call: OnHost & { tolerated: boolean }): Promise<void> {
      const { hostId, operationId, tolerated } = call;
      const since = deps.now();
      for (;;) {
        const host = await hostOf(store, hostId);
        const left = await livingOn(hostId);
        const known = new Set(left.map((v) => v.id as string));
        const running = host.reported.filter(
          (r) => RUNNING.includes(r.state) && !(tolerated && known.has(r.veeId)),
        );
        const told = host.liveness === 'up' && host.reportedAt > since;
        if ((tolerated || left.length === 0) && (isFenced(host) || (told && running.length === 0))) break;
        if (deps.now() - since > REPORT_MILLIS) {
          const there = namesOf(left) || running.map((r) => `${r.veeId} (${r.state})`).join(', ');
          const silent = `is ${host.liveness} and has not reported`;
          throw new SluiceError('drain-incomplete', `${hostId} ${there ? `still has ${there}` : silent}.`);
        }
        await Context.current().sleep(POLL_MILLIS);
      }
      await store.hosts.setDrained(hostId, operationId);
      await tell(call, 'drained', `${hostId} runs nothing${tolerated ? ' but what may stay' : ''}`);
    },

    /** What may come back, by service, and what people call these; the reasons of the others. */
    async planReturn({ hostId }: { hostId: HostId }): Promise<{
      back: Return[];
      /** Absent in what was answered by an older worker. */
      names?: Readonly<Record<ServiceId, string>>;
      staying: { veeId: VeeId; about?: string; because: string }[];
    }> {
      const host = await hostOf(store, hostId);
      const ids = host.maintenance?.left.map((d) => d.veeId) ?? [];
      const vees = (await Promise.all(ids.map((id) => store.vees.get(id)))).filter((v) => v !== undefined);
      const { back, staying } = planReturn(host, vees);
      const { services, labelOf } = await labelsOf(store, vees);
      return {
        back: [...back],
        names: Object.fromEntries([...services.values()].map((s) => [s.id, s.name])),
        staying: staying.map(({ departed: { veeId }, because }) => ({
          veeId,
          about: labelOf(veeId),
          because,
        })),
      };
    },

    async openHost({ hostId, cordoned }: { hostId: HostId; cordoned: boolean }): Promise<void> {
      await store.hosts.setCordoned(hostId, cordoned);
    },

    async endMaintenance(call: OnHost): Promise<void> {
      await store.hosts.endMaintenance(call.hostId);
      await tell(call, 'restored', `${call.hostId} is in use again`);
    },

    /**
     * Sees to it that a lost host runs nothing of ours any more, as far as that can be had: by the plug-in where one
     * is set, else by the operator's word, else only by epoch, which refuses what the host does late.
     * @returns false when the host has come back: then it is not lost
     */
    async fenceHost(call: OnHost & { confirmed: boolean }): Promise<boolean> {
      const { hostId, operationId, confirmed } = call;
      const host = await hostOf(store, hostId);
      if (host.liveness !== 'lost') return false;
      if (host.fenced?.operationId === operationId) return true;
      const by: Fencing['by'] = deps.fencing ? 'command' : confirmed ? 'operator' : 'epoch';
      if (deps.fencing) await deps.fencing.fence(host);
      if (!(await store.hosts.fence(hostId, { at: deps.now(), by, operationId }))) return false;
      await tell(call, 'fenced', `${hostId} is fenced by ${by}`);
      return true;
    },

    /** What waits for the host's answer need wait no longer. */
    async tellFenced({ hostId }: { hostId: HostId }): Promise<void> {
      for (const { id, state } of await store.operations.underWay())
        if (state !== 'pending' && state !== 'queued') await deps.tellFenced(id, hostId);
    },

    isLost: async ({ hostId }: { hostId: HostId }): Promise<boolean> =>
      (await hostOf(store, hostId)).liveness === 'lost',
  };
}

const namesOf = (vees: readonly VeeRecord[]) =>
  vees
    .slice(0, 10)
    .map((v) => `${v.component}/${v.index} (${v.id})`)
    .join(', ');
