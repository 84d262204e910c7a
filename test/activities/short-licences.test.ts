import { lostRaces } from '../../activities/decide';
import type { SiteDeps } from '../../activities/deps';
import { createMendingActivities } from '../../activities/mending';
import { createReservationActivities } from '../../activities/reservations';
import type { BlueprintId, HostId, OperationId } from '../../domain/ids';
import type { LicensedPlace } from '../../domain/placement/licences';
import { membersOf, serviceId, sketch, tenantId } from '../support/recompose';

const manifest = sketch([{ name: 'db', licences: ['solver'] }]);
const [vee] = membersOf(manifest, 'db/0@h1');
if (!vee) throw new Error('no member');
const operationId = 'op-1' as OperationId;
const at = { veeId: vee.id, hostId: 'h1' as HostId };

/** A site on which nothing can be reserved, with as many licences as said. */
function depsOf(left: number): SiteDeps {
  const store = {
    blueprints: {
      get: async () => ({
        ...{ kind: 'blueprint', operationId },
        assignments: [{ veeId: vee?.id, component: 'db', index: 0, hostId: 'h1' }],
      }),
    },
    operations: { get: async () => ({ id: operationId, serviceId, params: { manifestDigest: 'd' } }) },
    services: {
      get: async () => ({ id: serviceId, tenantId, manifestDigest: 'd', phase: 'operating' }),
      manifest: async () => manifest,
    },
    vees: { get: async () => vee },
    identities: { apartness: async () => new Map() },
    hosts: {
      reserve: async () => false,
      reserveAll: async () => false,
      releaseAll: async () => undefined,
      adjust: async () => false,
      get: async () => ({ id: 'h1', reservations: {} }),
    },
    licences: {
      refusal: async (wanted: readonly LicensedPlace[]) =>
        wanted.length > left ? 'all 1 of solver are in use' : undefined,
    },
  };
  return { store, now: () => 1 } as unknown as SiteDeps;
}

describe('where a place can’t be taken', () => {
  const lost = (left: number, times?: number) =>
    createReservationActivities(depsOf(left)).reserveBlueprint({
      ...{ operationId, blueprintId: 'bp-1' as BlueprintId },
      ...(times === undefined ? {} : { lost: times }),
    });

  it('the licence that is short is named, once it is not tried again', async () => {
    expect(await lost(0)).toBe(false);
    await expect(lost(0, 4)).rejects.toMatchObject({
      ...{ type: 'placement-race', nonRetryable: true },
      message: 'Other plans took the licences 5 times in a row: all 1 of solver are in use.',
    });
    await expect(lost(1, 4)).rejects.toThrow('Other plans took the capacity 5 times in a row.');
    const none = await lostRaces({} as never, new Map(), new Map(), 5, ' for vee-1');
    expect(none.message).toBe('Other plans took the capacity for vee-1 5 times in a row.');
  });

  it('nobody is told to make room for what lacks a licence', async () => {
    const hold = (left: number) => createMendingActivities(depsOf(left)).holdPlace({ operationId, ...at });
    await expect(hold(0)).rejects.toThrow(
      'h1 runs vee-db-0, but its licences are short: all 1 of solver are',
    );
    await expect(hold(1)).rejects.toThrow('make room, or uncordon it');
  });
});
