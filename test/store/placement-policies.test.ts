import type { OperationId, SiteId } from '../../domain/ids';
import {
  type Policy,
  PolicyBroken,
  type PolicyData,
  type PolicySetting,
} from '../../domain/placement/policy';
import { placementPolicies } from '../../store/placement-policies';

const siteId = 'home' as SiteId;
const plugin = { sha256: 'x', takes: 'y', goal: 'none' as const };
const initial: PolicyData = { name: 'striping' };
const set = (name: string, requestedAs: string): PolicySetting => ({
  ...{ policy: { name, plugin }, requestedAs: requestedAs as OperationId, since: 1, setBy: 'ann' },
});

/** A site's document as the database keeps it, with what has been told. */
function scene(first?: PolicySetting, broken: Record<string, string> = {}) {
  const state = { placement: first, told: [] as string[], ended: [] as string[], dieBeforeTelling: false };
  const policies = placementPolicies({
    ...{ siteId, initial, now: () => 7 },
    store: {
      site: {
        placement: async () => state.placement,
        switchOut: async (_, { requestedAs }, instead) => {
          if (state.placement?.requestedAs !== requestedAs || state.placement.switchedOut) return;
          state.placement = { requestedAs, setBy: 'sluice', ...instead };
        },
        noteToldOfSwitch: async () => {
          const { switchedOut } = state.placement ?? {};
          if (state.placement && switchedOut)
            state.placement = { ...state.placement, switchedOut: { ...switchedOut, told: true } };
        },
      },
      events: {
        append: async ({ message }) => {
          if (state.dieBeforeTelling) throw new Error('killed');
          state.told.push(message);
        },
      },
    },
    plugins: {
      equip: async (policy: PolicyData): Promise<Policy> => {
        const because = broken[policy.name];
        if (because) throw new PolicyBroken(because);
        return policy;
      },
      giveUp: (name) => state.ended.push(name),
    },
  });
  return { state, policies };
}

const named = (policy: Policy) => policy.name;

describe('the policy that decides', () => {
  it('is the one that was set, or the one in the settings', async () => {
    expect(await scene().policies.decide(named)).toBe('striping');
    expect(await scene(set('mine', 'op-1')).policies.decide(named)).toBe('mine');
    expect(await scene(set('mine', 'op-1')).policies.inForce()).toEqual({ name: 'mine', plugin });
  });

  it('is switched out when it breaks, told once, and the one in the settings decides', async () => {
    const { state, policies } = scene(set('mine', 'op-1'), { mine: 'it is ill' });
    expect(await policies.decide(named)).toBe('striping');
    expect(state.placement).toEqual({
      ...{ requestedAs: 'op-1', setBy: 'sluice', since: 7 },
      switchedOut: { name: 'mine', because: 'it is ill', told: true },
    });
    expect(await policies.decide(named)).toBe('striping');
    expect(state.told).toEqual(['the placement policy mine broke (it is ill): striping decides from now on']);
    expect(state.ended).toEqual(['mine']);
  });

  it('also when it breaks in the middle of a decision, which is made anew', async () => {
    const { policies } = scene(set('mine', 'op-1'));
    const asked: string[] = [];
    const decision = ({ name }: Policy) => {
      asked.push(name);
      if (name === 'mine') throw new PolicyBroken('no');
      return name;
    };
    expect(await policies.decide(decision)).toBe('striping');
    expect(asked).toEqual(['mine', 'striping']);
  });

  it('is the one that was set meanwhile, if one was: that is not switched out', async () => {
    const { state, policies } = scene(set('mine', 'op-1'));
    const decision = ({ name }: Policy) => {
      if (name !== 'mine') return name;
      state.placement = set('yours', 'op-2');
      throw new PolicyBroken('its file is another one');
    };
    expect(await policies.decide(decision)).toBe('yours');
    expect(state.placement).toEqual(set('yours', 'op-2'));
    expect(state.told).toEqual([]);
  });

  it('is told of by the next one, when the one that switched it out has died', async () => {
    const { state, policies } = scene(set('mine', 'op-1'), { mine: 'it is ill' });
    state.dieBeforeTelling = true;
    await expect(policies.decide(named)).rejects.toThrow('killed');
    state.dieBeforeTelling = false;
    expect(await policies.decide(named)).toBe('striping');
    expect(state.told).toHaveLength(1);
  });

  it('is not changed by a question, which is answered all the same', async () => {
    const { state, policies } = scene(set('mine', 'op-1'), { mine: 'it is ill' });
    expect(await policies.ask(named)).toBe('striping');
    expect(state.placement).toEqual(set('mine', 'op-1'));
    expect(state.told).toEqual([]);
  });

  it('hides no other error', async () => {
    const { state, policies } = scene(set('mine', 'op-1'));
    const fail = () => {
      throw new RangeError('ours');
    };
    await expect(policies.decide(fail)).rejects.toThrow('ours');
    await expect(policies.ask(fail)).rejects.toThrow('ours');
    const broken = () => {
      throw new PolicyBroken('always');
    };
    await expect(policies.decide(broken)).rejects.toThrow('always');
    expect(state.placement?.switchedOut?.name).toBe('mine');
  });
});
