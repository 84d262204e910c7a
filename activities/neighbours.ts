import { componentsNamed, type Member, withNeighbours } from '../domain/context/neighbours';
import type { ServiceId, VeeId } from '../domain/ids';
import type { NetworkAttachment } from '../domain/network/attachment';
import type { VeeTemplate } from '../domain/vee/vee';
import type { Store } from '../store/store';

interface ToTell extends Omit<Member, 'networks'> {
  readonly veeId: VeeId;
  readonly template: VeeTemplate;
}

/**
 * Adds to how VEEs are on their networks whom they are to know there, by what their values name. Those that are made with
 * them count before those that are there.
 */
export async function tellNeighbours(
  { vees }: { readonly vees: Pick<Store['vees'], 'find'> },
  serviceId: ServiceId,
  made: readonly ToTell[],
  attached: ReadonlyMap<VeeId, readonly NetworkAttachment[]>,
): Promise<ReadonlyMap<VeeId, readonly NetworkAttachment[]>> {
  const named = new Map(made.map((vee) => [vee.veeId, componentsNamed(vee.template)]));
  const components = [...new Set([...named.values()].flatMap((n) => [...n.keys()]))];
  if (components.length === 0) return attached;
  const there = await Promise.all(
    components.map((component) => vees.find({ serviceId, component, living: true })),
  );
  const members: Member[] = [
    ...made.map(({ veeId, component, index }) => ({ component, index, networks: attached.get(veeId) ?? [] })),
    ...there.flat().sort((a, b) => b.createdAt - a.createdAt),
  ];
  return new Map(
    [...attached].map(([veeId, networks]) => [
      veeId,
      withNeighbours(networks, named.get(veeId) ?? new Map(), members),
    ]),
  );
}
