import type { HostId } from '../ids';
import { DEFAULT_SLA_CLASS, isAtLeast } from '../manifest/sla-class';
import type { Unit } from './feasibility';
import type { PlacementRequest, Refusal, Snapshot, Spare, SpareVee } from './model';
import { Evacuations } from './online/evacuations';
import { residentOf, siteWithout } from './online/from-snapshot';
import type { OnlineSite } from './online/online-site';
import type { Resident } from './online/residents';
import type { Stay } from './promised';
import { stayOf } from './stays';

/**
 * Watches over what a plan puts where: for each host, or each zone, it knows a place for all that would be lost with it, and
 * refuses what takes that away. Mutable, private to one run of a planner.
 */
export class SpareKeeper {
  private readonly spare: Spare;
  private readonly request: PlacementRequest;
  private readonly hosts: ReadonlyMap<HostId, number>;
  private readonly evacuations: Evacuations;
  private readonly site: OnlineSite;
  private readonly stays: Snapshot['stays'];
  private readonly asking: Stay | undefined;
  /** While nothing has come, and since something last came. */
  private readonly refusedAtFirst = new Map<string, Refusal>();
  private refused = this.refusedAtFirst;
  private readonly asked = new Map<Unit, number>();

  /** The one that a request wants, if any. */
  static of(snapshot: Snapshot, request: PlacementRequest): SpareKeeper | undefined {
    return snapshot.spare && request.slaClass
      ? new SpareKeeper(snapshot, snapshot.spare, request)
      : undefined;
  }

  private constructor(snapshot: Snapshot, spare: Spare, request: PlacementRequest) {
    this.spare = spare;
    this.request = request;
    this.hosts = new Map(snapshot.hosts.map((h, n) => [h.id, n]));
    this.stays = snapshot.stays;
    this.asking = stayOf(snapshot, request);
    this.site = siteWithout(snapshot, spare.vees, 'tightest', this.asking);
    const at = spare.vees.flatMap((v) => {
      const host = this.hosts.get(v.hostId);
      if (host === undefined) return [];
      return [this.residentOf(v, host, `${v.component} (${v.id})`, this.stays?.get(v.serviceId))];
    });
    this.evacuations = new Evacuations(this.site, spare.lose, at);
  }

  /** Forgets all that has come: a plan is made anew. */
  begin(): void {
    this.evacuations.rewind();
    this.refused = this.refusedAtFirst;
    this.asked.clear();
  }

  /** Why a unit may not go to a host; nothing when it may, and then it counts as being there. */
  refusalOf(unit: Unit, hostId: HostId): Refusal | undefined {
    const host = this.hosts.get(hostId);
    if (host === undefined) return undefined;
    const asked = (this.asked.get(unit) ?? 0) + 1;
    this.asked.set(unit, asked);
    if (asked > MOST_ASKED) return { reason: 'no-spare' };
    // Of a thousand that are alike one is asked for: until something comes, the others would hear the same.
    const question = `${hostId} ${likenessOf(unit)}`;
    const known = this.refused.get(question);
    if (known) return known;
    const refusal = this.answer(unit, host);
    if (refusal) this.refused.set(question, refusal);
    else this.refused = new Map();
    return refusal;
  }

  private answer(unit: Unit, host: number): Refusal | undefined {
    const { constraints, slaClass = DEFAULT_SLA_CLASS } = this.request;
    const coming = unit.vees.map((v) =>
      this.residentOf({ ...v, slaClass, constraints }, host, `${v.component} itself`, this.asking),
    );
    const would = this.evacuations.admit(coming, host);
    return would && { reason: 'no-spare', lost: would.lost, stranded: would.stranded.name };
  }

  private residentOf(
    vee: Omit<SpareVee, 'id' | 'hostId'>,
    host: number,
    name: string,
    stay: Stay | undefined,
  ): Resident {
    const counts = isAtLeast(vee.slaClass, this.spare.least);
    return residentOf(this.site, vee, { host, counts, name }, stay);
  }
}

/** A unit asks so many hosts, the best first: where none of them may be, the others hardly may. */
const MOST_ASKED = 100;

const likenessOf = ({ vees }: Unit): string =>
  JSON.stringify(vees.map(({ serviceId, component, image, need }) => [serviceId, component, image, need]));
