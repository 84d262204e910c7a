import { decideAndReserve } from '../../activities/decide';
import type { HostId, OperationId, SiteId, VeeId } from '../../domain/ids';
import type { PlacementRequest } from '../../domain/placement/model';
import type { PlacementPolicies } from '../../domain/placement/policy';
import type { Store } from '../../store/store';

const operationId = 'op-1' as OperationId;
const veeId = 'vee-1' as VeeId;
const amount = { cpuMillis: 100, memoryMiB: 64, diskMiB: 0, bandwidthKbps: 0 };
const request = {
  vees: [
    { id: veeId, tenantId: 't', serviceId: 's', component: 'app', index: 0, need: amount, image: 'busybox' },
  ],
  constraints: [],
} as unknown as PlacementRequest;

/** A store with one host, whose capacity others take as often as the test says. */
function storeOf() {
  const blueprints = new Map<string, { kind: string }>();
  const state = { lost: 0, room: 1_000, liveness: 'up' };
  const store = {
    blueprints: {
      get: async (id: string) => blueprints.get(id),
      put: async (blueprint: { id: string; kind: string }) => {
        blueprints.set(blueprint.id, blueprint);
        return blueprint;
      },
    },
    hosts: {
      reserve: async () => --state.lost < 0,
    },
    contents: {
      read: async () => ({
        vees: [],
        hosts: [
          {
            ...{ id: 'host-1', zone: 'z', labels: {}, liveness: state.liveness, cordoned: false },
            ...{ driver: 'simulator', capabilities: {}, images: ['busybox'] },
            capacity: { ...amount, cpuMillis: state.room, memoryMiB: 1_000 },
            reserved: { ...amount, cpuMillis: 0, memoryMiB: 0 },
          },
        ],
      }),
    },
    identities: { apartness: async () => new Map() },
    services: { get: async () => undefined, stays: async () => new Map() },
    licences: { read: async () => undefined },
  } as unknown as Store;
  const policies: PlacementPolicies = {
    inForce: async () => ({ name: 'packing' }),
    decide: async (decision) => decision({ name: 'packing' }),
    ask: async (question) => question({ name: 'packing' }),
  };
  const neverAsked = () => Promise.reject(new Error('one VEE alone has been tried on every host'));
  const decide = () =>
    decideAndReserve(
      { store, siteId: 'home' as SiteId, now: () => 1, policies, placeHarder: neverAsked },
      operationId,
      request,
      ['x'],
      {
        veeId,
        amount,
      },
    );
  return { blueprints, state, decide };
}

describe('a place for one VEE', () => {
  it('is planned once: a repeat finds what was taken', async () => {
    const { blueprints, decide } = storeOf();
    const first = await decide();
    expect(await decide()).toEqual(first);
    expect(first.hostId).toBe('host-1' as HostId);
    expect(blueprints.size).toBe(1);
  });

  it('is given up after five races that were lost, for good until it is asked for again', async () => {
    const { blueprints, state, decide } = storeOf();
    state.lost = 5;
    await expect(decide()).rejects.toMatchObject({ type: 'placement-race', nonRetryable: true });
    expect(blueprints.size).toBe(5);
    state.lost = 5;
    // All that was planned before is stale; a fresh plan is made.
    expect((await decide()).hostId).toBe('host-1' as HostId);
    expect(blueprints.size).toBe(6);
  });

  it('is waited for while the only host with room is suspect, and refused once that is lost', async () => {
    const { blueprints, state, decide } = storeOf();
    state.liveness = 'suspect';
    await expect(decide()).rejects.toMatchObject({ code: 'host-unreachable', retryable: true });
    expect(blueprints.size).toBe(0);
    state.liveness = 'lost';
    await expect(decide()).rejects.toMatchObject({ code: 'placement-infeasible' });
  });

  it('is refused at once when a suspect host would have no room either', async () => {
    const { state, decide } = storeOf();
    state.liveness = 'suspect';
    state.room = 10;
    await expect(decide()).rejects.toMatchObject({ code: 'placement-infeasible' });
  });

  it('is found by whoever asks again once there is room', async () => {
    const { state, decide } = storeOf();
    state.room = 10;
    await expect(decide()).rejects.toMatchObject({ code: 'placement-infeasible' });
    state.room = 1_000;
    expect((await decide()).hostId).toBe('host-1' as HostId);
  });
});
