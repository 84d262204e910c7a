import { isFenced } from '../domain/host';
import { agentTaskQueue } from '../domain/ids';
import type { LivingVee } from '../domain/service/deployment';
import type { VeeRecord } from '../domain/vee/vee';
import { hostOf } from '../store/snapshot';
import type { Store } from '../store/store';

export async function toLiving(store: Store, vee: VeeRecord): Promise<LivingVee> {
  const host = await hostOf(store, vee.hostId);
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
}
