import type { HostId } from '../ids';
import type { Capacity } from '../units';
import type { PlacementRequest, Snapshot } from './model';
import { keptFrom, type Stay } from './promised';

/** A request is of one service: how long it stays, as far as there is an end to it. */
export const stayOf = (
  { stays }: Pick<Snapshot, 'stays'>,
  { vees: [first], stay }: Pick<PlacementRequest, 'vees' | 'stay'>,
): Stay | undefined => stay ?? (first && stays?.get(first.serviceId));

/** What is free of hosts, but promised while something is there; of most hosts nothing. */
export const keptOn = (
  { hosts, at }: Pick<Snapshot, 'hosts' | 'at'>,
  stay: Stay | undefined,
): ReadonlyMap<HostId, Capacity> =>
  new Map(
    hosts.flatMap((h): [HostId, Capacity][] => {
      const kept = keptFrom(h, at, stay);
      return kept ? [[h.id, kept]] : [];
    }),
  );
