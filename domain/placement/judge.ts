import type { HostId } from '../ids';
import { amountOf, dimensionsOf } from '../units';
import { judge } from './choice';
import { concerns, isOfHost } from './constraints';
import type { Board, Unit } from './feasibility';
import type { Constraint, HostVerdict, Meter, PlacementRequest, SnapshotHost } from './model';
import type { Policy } from './policy';

/** These look at nothing but the host itself. */
const LOCAL_POLICIES: readonly string[] = ['packing', 'striping', 'power-saving', 'profit'];

/**
 * What each host says to one unit after the other. To one that is like an earlier one only the hosts say something else on
 * which something was put meanwhile, unless a rule or the policy looks further than to one host: of a thousand VEEs on ten
 * thousand hosts that makes ten thousand judgements and some thousands more, rather than ten million.
 */
export class Judge {
  private readonly board: Board;
  private readonly policy: Policy;
  private readonly request: PlacementRequest;
  private readonly meter: Meter;
  private readonly placeOf: ReadonlyMap<HostId, number>;
  /** The hosts on which something was put, one after the other. */
  private readonly touched: number[] = [];
  private readonly known = new Map<string, { verdicts: readonly HostVerdict[]; touched: number }>();

  constructor(board: Board, request: PlacementRequest, policy: Policy, meter: Meter = { judgements: 0 }) {
    this.board = board;
    this.meter = meter;
    // A board costs about as much to set out as one VEE to place.
    meter.judgements += board.hosts.length;
    this.request = request;
    this.policy = policy;
    this.placeOf = new Map(board.hosts.map((h, place) => [h.id, place]));
  }

  verdictsOn(unit: Unit): readonly HostVerdict[] {
    const likeness = this.likenessOf(unit);
    if (likeness === undefined) return this.judgedAnew(unit);
    const before = this.known.get(likeness);
    const verdicts = before
      ? this.judgedAgain(unit, before.verdicts, this.touched.slice(before.touched))
      : this.judgedAnew(unit);
    this.known.set(likeness, { verdicts, touched: this.touched.length });
    return verdicts;
  }

  put(unit: Unit, hostId: HostId): void {
    this.board.put(unit, hostId);
    const place = this.placeOf.get(hostId);
    if (place !== undefined) this.touched.push(place);
  }

  private judgedAnew(unit: Unit): readonly HostVerdict[] {
    this.meter.judgements += this.board.hosts.length;
    return judge(this.board, unit, this.policy);
  }

  private judgedAgain(
    unit: Unit,
    before: readonly HostVerdict[],
    places: readonly number[],
  ): readonly HostVerdict[] {
    this.meter.judgements += places.length;
    const verdicts = before.slice();
    const hosts = places.flatMap((place): [number, SnapshotHost][] => {
      const host = this.board.hosts[place];
      return host ? [[place, host]] : [];
    });
    const anew = judge(
      this.board,
      unit,
      this.policy,
      hosts.map(([, host]) => host),
    );
    for (const [n, [place]] of hosts.entries()) verdicts[place] = anew[n] as HostVerdict;
    return verdicts;
  }

  /** Alike for units to which a host says the same; nothing for one that something further away matters to. */
  private likenessOf({ vees, need }: Unit): string | undefined {
    const [vee] = vees;
    if (!vee || vees.length > 1 || vee.moving || this.policy.ranking) return undefined;
    if (!LOCAL_POLICIES.includes(this.policy.name)) return undefined;
    const { component, image } = vee;
    const { constraints, preferences = [], ranks = [] } = this.request;
    const all = [...constraints, ...preferences.map((p) => p.constraint)];
    if (ranks.some((r) => r.component === component)) return undefined;
    if (all.some((c) => concerns(c, component) && !isLocal(c))) return undefined;
    const amounts = dimensionsOf(need).map((d) => [d, amountOf(need, d)]);
    // Once the last of a licence goes every host hears of it.
    const licences = this.board.licences?.standingOf(vees);
    return JSON.stringify([vee.tenantId, vee.serviceId, component, image, amounts, licences]);
  }
}

const isLocal = (c: Constraint): boolean =>
  isOfHost(c) || (c.level === 'host' && (c.kind === 'apart-within' || c.kind === 'apart-between'));
