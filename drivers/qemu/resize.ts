import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';
import type { VeeId } from '../../domain/ids';
import type { Capacity } from '../../domain/units';
import { BYTES_PER_MIB } from '../lib/machine-usage';
import { DISK_NODE, dimmBackend, dimmDevice } from './command-line';
import { type Layout, type PluggedVcpu, planResize, refused } from './layout';
import type { Machines } from './machines';
import type { QmpClient } from './qmp';

const BALLOON_MILLIS = 20_000;
const BALLOON_POLL_MILLIS = 50;
const AGENT_MILLIS = 5_000;

/**
 * Changes a running machine. Each part is recorded as it is done, so that half of it done is known as that.
 * @throws SluiceError `driver-refused` before anything is changed, `driver-failed` when the guest does not follow
 */
export async function resizeLive(
  machines: Machines,
  veeId: VeeId,
  to: Capacity,
  leastMemoryMiB: number,
): Promise<void> {
  const kept = await machines.kept(veeId);
  if (!kept) throw refused(`${veeId} has no machine.`);
  let { layout } = kept;
  const plan = planResize(layout, to, leastMemoryMiB);
  const qmp = await machines.qmp(veeId);
  const remember = async (change: Partial<Layout>) => {
    layout = { ...layout, ...change };
    await machines.keep(veeId, { ...kept, layout });
  };
  if (plan.growDiskToMiB > 0) {
    await qmp.execute('block_resize', { 'node-name': DISK_NODE, size: plan.growDiskToMiB * BYTES_PER_MIB });
    await remember({ diskMiB: plan.growDiskToMiB });
  }
  if (plan.dimmMiB > 0) {
    const index = layout.dimmsMiB.length;
    await qmp.execute('object-add', dimmBackend(index, plan.dimmMiB));
    await qmp.execute('device_add', dimmDevice(index));
    await remember({ dimmsMiB: [...layout.dimmsMiB, plan.dimmMiB] });
  }
  for (let i = 0; i < plan.moreVcpus; i++) {
    const plugged = await plugVcpu(qmp, layout.pluggedVcpus.length);
    await remember({ pluggedVcpus: [...layout.pluggedVcpus, plugged] });
  }
  if (plan.moreVcpus > 0) {
    const many = layout.bootVcpus + layout.pluggedVcpus.length;
    // A guest without the agent may take them into use by itself.
    await machines
      .withAgent(veeId, AGENT_MILLIS, (agent) => agent.useVcpus(many, AGENT_MILLIS))
      .catch(() => undefined);
  }
  await setBalloon(qmp, plan.guestMemoryMiB);
}

interface VcpuSlot {
  readonly type: string;
  readonly props: Readonly<Record<string, number>>;
  readonly 'qom-path'?: string;
}

async function plugVcpu(qmp: QmpClient, index: number): Promise<PluggedVcpu> {
  const slots = await qmp.execute<VcpuSlot[]>('query-hotpluggable-cpus');
  const free = slots.filter((s) => s['qom-path'] === undefined);
  const slot = free.sort((a, b) => (a.props['socket-id'] ?? 0) - (b.props['socket-id'] ?? 0))[0];
  if (!slot) throw new SluiceError('driver-refused', 'The machine has no slot for another vCPU.');
  const plugged = { driver: slot.type, props: slot.props };
  await qmp.execute('device_add', { driver: slot.type, id: `cpu${index}`, ...slot.props });
  return plugged;
}

/** It is the guest that gives memory up, so it may take its time, or not do it at all. */
async function setBalloon(qmp: QmpClient, mib: number): Promise<void> {
  const now = async () => (await qmp.execute<{ actual: number }>('query-balloon')).actual;
  for (const until = Date.now() + BALLOON_MILLIS; ; await delay(BALLOON_POLL_MILLIS)) {
    if ((await now()) === mib * BYTES_PER_MIB) return;
    if (Date.now() >= until)
      throw new SluiceError('driver-failed', `The guest has not come to ${mib} MiB of memory.`);
    // Again and again: a guest that boots, or has just got more, has not heard of it yet.
    await qmp.execute('balloon', { value: mib * BYTES_PER_MIB });
  }
}
