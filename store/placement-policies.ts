import type { SiteId } from '../domain/ids';
import {
  isPolicyBroken,
  type PlacementPolicies,
  type Policy,
  type PolicyData,
  type PolicySetting,
} from '../domain/placement/policy';
import type { Store } from './store';

interface Parts {
  readonly store: {
    readonly site: Pick<Store['site'], 'placement' | 'switchOut' | 'noteToldOfSwitch'>;
    readonly events: Pick<Store['events'], 'append'>;
  };
  readonly siteId: SiteId;
  /** In force where none is set: one that is built in. */
  readonly initial: PolicyData;
  readonly now: () => number;
  readonly plugins: {
    /** @throws PolicyBroken */
    readonly equip: (policy: PolicyData) => Promise<Policy>;
    readonly giveUp: (name: string) => void;
  };
}

/** Somebody may set one that breaks, and another one, while a decision is made. */
const MOST_ATTEMPTS = 5;

/** The policies of a site: each decision asks anew, so that a change counts from the next one on. */
export function placementPolicies({ store, siteId, initial, now, plugins }: Parts): PlacementPolicies {
  /** Whoever switched it out may have died before this. */
  async function tellSwitch({ requestedAs, since, switchedOut }: PolicySetting): Promise<void> {
    if (!switchedOut || switchedOut.told) return;
    const { name, because } = switchedOut;
    await store.events.append({
      id: `${requestedAs}/switched-out`,
      at: since,
      kind: 'policy.switched-out',
      message: `the placement policy ${name} broke (${because}): ${initial.name} decides from now on`,
      subject: siteId,
      alert: true,
    });
    await store.site.noteToldOfSwitch(siteId, { requestedAs });
  }

  return {
    inForce: async () => (await store.site.placement(siteId))?.policy ?? initial,
    async ask(question) {
      const policy = (await store.site.placement(siteId))?.policy ?? initial;
      try {
        return await question(await plugins.equip(policy));
      } catch (error) {
        if (!isPolicyBroken(error)) throw error;
        plugins.giveUp(policy.name);
        return await question(initial);
      }
    },
    async decide(decision) {
      for (let attempt = 1; ; attempt++) {
        const setting = await store.site.placement(siteId);
        if (setting) await tellSwitch(setting);
        const policy = setting?.policy ?? initial;
        try {
          return await decision(await plugins.equip(policy));
        } catch (error) {
          if (!isPolicyBroken(error) || !setting?.policy || attempt === MOST_ATTEMPTS) throw error;
          plugins.giveUp(policy.name);
          const switchedOut = { name: policy.name, because: error.message };
          // What is in force by now decides then, whether that is the one in the settings or another that was just set.
          await store.site.switchOut(siteId, setting, { since: now(), switchedOut });
        }
      }
    },
  };
}
