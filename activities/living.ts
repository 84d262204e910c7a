import { SluiceError } from '../domain/errors';
import { isFenced } from '../domain/host';
import { agentTaskQueue } from '../domain/ids';
import type { LivingVee } from '../domain/service/deployment';
import type { VeeRecord } from '../domain/vee/vee';
import type { Store } from '../store/store';

/** VEEs as an executor needs them: joined with their hosts as these are now. */
export async function toLivingAll(store: Store, vees: readonly VeeRecord[]): Promise<LivingVee[]> {
  const ids = [...new Set(vees.map((v) => v.hostId))];
  const hosts = new Map((await store.hosts.offers(ids)).map((h) => [h.id, h]));
  return vees.map((vee) => {
    const host = hosts.get(vee.hostId);
    if (!host) throw new SluiceError('not-found', `There is no host ${vee.hostId}.`);
    return {
      veeId: vee.id,
      component: vee.component,
      index: vee.index,
      hostId: vee.hostId,
      agentQueue: agentTaskQueue(host.siteId, host.agentId),
      epoch: vee.epoch,
      stopGraceMillis: vee.template.stopGraceMillis,
      state: vee.state,
      canSuspend: host.fingerprint.capabilities.suspend,
      ...(vee.state === 'ACTIVE' && vee.template.drain ? { drain: vee.template.drain } : {}),
      ...(isFenced(host) ? { hostFenced: true } : {}),
    };
  });
}

export async function toLiving(store: Store, vee: VeeRecord): Promise<LivingVee> {
  const [living] = await toLivingAll(store, [vee]);
  if (!living) throw new SluiceError('not-found', `There is no VEE ${vee.id}.`);
  return living;
}
