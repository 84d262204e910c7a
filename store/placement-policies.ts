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
  readonly store: Pick<Store, 'site' | 'events'>;
  readonly siteId: SiteId;
  /** In force where none is set: one that is built in. */
  readonly initial: PolicyData;
  readonly now: () => number;
  readonly plugins: {
    readonly equip: (policy: PolicyData) => Policy;
    readonly giveUp: (name: string) => void;
  };
}

/** The policies of a site: each decision asks anew, so that a change counts from the next one on. */
export function placementPolicies({ store, siteId, initial, now, plugins }: Parts): PlacementPolicies {
  async function switchOut(setting: PolicySetting, name: string, because: string): Promise<void> {
    const at = now();
    // First what is told, under an id of its own: whoever dies in between, another one tells it and switches.
    await store.events.append({
      id: `${setting.requestedAs}/switched-out`,
      at,
      kind: 'policy.switched-out',
      message: `the placement policy ${name} broke (${because}): ${initial.name} decides from now on`,
      subject: siteId,
    });
    await store.site.switchOut(siteId, setting, { since: at, switchedOut: { name, because } });
  }

  return {
    inForce: async () => (await store.site.placement(siteId))?.policy ?? initial,
    async decide(decision) {
      const setting = await store.site.placement(siteId);
      const policy = setting?.policy ?? initial;
      try {
        return await decision(plugins.equip(policy));
      } catch (error) {
        if (!isPolicyBroken(error) || !setting) throw error;
        plugins.giveUp(policy.name);
        await switchOut(setting, policy.name, error.message);
        return await decision(initial);
      }
    },
  };
}
