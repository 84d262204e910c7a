import { type LivingVee, veeLabel } from '../../domain/service/deployment';
import type { Readiness } from '../../domain/vee/vee';
import type { VeeRef } from '../../drivers/contract';
import { awaitReady, type OnAgent, onHostUndo, site } from './activities';
import type { Steps } from './saga';

/** Runs each of its parts once, however often the undo that it belongs to is tried. */
export class Once {
  private readonly done = new Map<string, unknown>();

  async do<T>(part: string, run: () => Promise<T>): Promise<T> {
    if (!this.done.has(part)) this.done.set(part, await run());
    return this.done.get(part) as T;
  }
}

/**
 * Undo of a VEE's end. What its host has decides: if the VEE is still there, it runs on; if it is not, one like it is
 * made anew in its place, under an id that follows from the operation. Its disk went with it.
 */
export function restoration(steps: Steps, vee: LivingVee): () => Promise<void> {
  const once = new Once();
  const { operationId, timing } = steps.input;
  const { veeId, epoch, hostId, agentQueue } = vee;
  const ref = { veeId, epoch };
  const label = veeLabel(vee);

  const ready = (at: OnAgent, ref: VeeRef, readiness: Readiness) =>
    awaitReady(at, ref, timing, `undo: ready ${label}`, readiness);

  /** Does it run on after all? If not, nothing of it is left, on its host or on the ledger. */
  async function runsOn(): Promise<boolean> {
    const { retired, readiness, hostFenced } = await site.lookUpVee({ veeId });
    const host = onHostUndo(agentQueue, timing, `destroy ${label}`);
    const seen = hostFenced ? null : await host.inspectVee({ hostId, veeId });
    if (seen?.epoch === epoch && !retired) {
      if (seen.state === 'ACTIVE') return true;
      await host.startVee({ hostId, ref });
      await ready({ hostId, agentQueue }, ref, readiness);
      return true;
    }
    // Left over, or still there although its driver said otherwise: two must not run.
    if (seen) await host.destroyVee({ hostId, ref, graceMillis: 0 });
    if (!retired) await site.retireVee({ operationId, veeId });
    return false;
  }

  return async () => {
    if (await once.do('look', runsOn)) return;
    const { place, spec } = await once.do('plan', () => site.planRestoration({ operationId, veeId }));
    const made = { hostId: place.hostId, ref: { veeId: spec.veeId, epoch: spec.epoch } };
    const host = onHostUndo(place.agentQueue, timing, `destroy ${label}`);
    await once.do('define', () => host.defineVee({ hostId: place.hostId, spec }));
    await once.do('start', () => host.startVee(made));
    await once.do('ready', () => ready(place, made.ref, spec.template.readiness));
    await once.do('activate', () => site.activateVee({ operationId, veeId: spec.veeId }));
  };
}
