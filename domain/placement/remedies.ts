import type { HostId } from '../ids';
import { hostRuns, pinnedImage } from '../images/reference';
import { dominantShare, ZERO } from '../units';
import { utcText } from '../utc';
import { constraintName } from './constraints';
import type { PlacementRequest, PlanContext, Snapshot, SnapshotHost } from './model';
import { plan } from './plan';
import type { Policy } from './policy';
import { CLEARING_MILLIS, freeAtOf } from './promised';
import { stayOf } from './stays';

export interface RemedyQuestion {
  readonly snapshot: Snapshot;
  readonly request: PlacementRequest;
  readonly policy: Policy;
  readonly context: PlanContext;
}

/** One change that is enough for what had no place. */
export interface Remedy {
  /** What could be done about hosts is the operator's affair; about what is asked for, the asking party's. */
  readonly by: 'operator' | 'anybody';
  /** Goes on after "it would fit". */
  readonly if: string;
}

/** Of a kind of change so many are tried, the likeliest first; a host that is judged for a VEE is a unit of work. */
const MOST_OF_A_KIND = 8;
const MOST_WORK = 3_000_000;
const MOST_NEW_HOSTS = 3;

/**
 * What would be enough, each by itself, for a request to have room: the same plan is made on a site, or of a request, with
 * that one difference. What takes the least comes first. None when no single one is enough, or when to try would take
 * too long.
 */
export function remediesFor(question: RemedyQuestion): Remedy[] {
  const { snapshot, request } = question;
  let work = MOST_WORK;
  const fits = (changed: Partial<Pick<RemedyQuestion, 'snapshot' | 'request'>>): boolean => {
    const { snapshot: s, request: r, policy, context } = { ...question, ...changed };
    work -= r.vees.length * s.hosts.length;
    return work > 0 && plan(s, r, policy, context).kind === 'blueprint';
  };
  return [
    ...openings(snapshot, fits),
    ...images(snapshot, request, fits),
    ...licences(snapshot, request, fits),
    ...returns(snapshot, fits),
    ...fewer(request, fits),
    ...rules(request, fits),
    ...spare(snapshot, request, fits),
    ...sooner(snapshot, request, fits),
    ...newHosts(snapshot, request, fits),
  ];
}

type Fits = (changed: Partial<Pick<RemedyQuestion, 'snapshot' | 'request'>>) => boolean;

const operator = (text: string): Remedy => ({ by: 'operator', if: text });
const anybody = (text: string): Remedy => ({ by: 'anybody', if: text });

function withHosts(
  snapshot: Snapshot,
  which: (host: SnapshotHost) => boolean,
  change: (host: SnapshotHost) => Partial<SnapshotHost>,
): Snapshot {
  return { ...snapshot, hosts: snapshot.hosts.map((h) => (which(h) ? { ...h, ...change(h) } : h)) };
}

/** Of these hosts, the emptiest first, those one of which would be enough if it were otherwise. */
function enough(
  snapshot: Snapshot,
  hosts: readonly SnapshotHost[],
  otherwise: Partial<SnapshotHost>,
  fits: Fits,
): SnapshotHost[] {
  const only = (id: HostId) => (h: SnapshotHost) => h.id === id;
  return [...hosts]
    .sort((a, b) => dominantShare(a.reserved, a.capacity) - dominantShare(b.reserved, b.capacity))
    .slice(0, MOST_OF_A_KIND)
    .filter(({ id }) => fits({ snapshot: withHosts(snapshot, only(id), () => otherwise) }));
}

function openings(snapshot: Snapshot, fits: Fits): Remedy[] {
  const cordoned = snapshot.hosts.filter((h) => h.cordoned && h.liveness === 'up');
  return enough(snapshot, cordoned, { cordoned: false }, fits).map(({ id }) =>
    operator(`if ${id} were uncordoned`),
  );
}

function images(snapshot: Snapshot, { vees }: PlacementRequest, fits: Fits): Remedy[] {
  // Those of the registry come by themselves, to hosts that run their format.
  const wanted = [...new Set(vees.map((v) => v.image))].filter((image) => !pinnedImage(image));
  const missing = wanted.filter((image) => snapshot.hosts.some((h) => !hostRuns(h.images, image)));
  return missing
    .slice(0, MOST_OF_A_KIND)
    .filter((image) =>
      fits({
        snapshot: withHosts(
          snapshot,
          (h) => !hostRuns(h.images, image),
          (h) => ({ images: [...h.images, image] }),
        ),
      }),
    )
    .map((image) => operator(`if the image ${image} were on ${lacking(snapshot, image)}`));
}

function lacking({ hosts }: Snapshot, image: string): string {
  const without = hosts.filter((h) => !hostRuns(h.images, image)).map((h) => h.id);
  return without.length === hosts.length ? 'the hosts' : `those that lack it (${named(without)})`;
}

const named = (ids: readonly HostId[]): string =>
  ids.length > 3 ? `${ids.slice(0, 3).join(', ')} and ${ids.length - 3} more` : ids.join(', ');

function returns(snapshot: Snapshot, fits: Fits): Remedy[] {
  const away = snapshot.hosts.filter((h) => h.liveness !== 'up');
  return enough(snapshot, away, { liveness: 'up' }, fits).map(({ id, liveness }) =>
    operator(`if ${id}, which is ${liveness}, were up`),
  );
}

/** Of one licence the fewest more that are enough: as many as all of it could take are tried at first. */
function licences(
  { licences: kept, ...snapshot }: Snapshot,
  { vees }: PlacementRequest,
  fits: Fits,
): Remedy[] {
  const { pools = [], places = [] } = kept ?? {};
  const taken = new Set(vees.flatMap((v) => v.licences ?? []));
  return [...taken].slice(0, MOST_OF_A_KIND).flatMap((name) => {
    const pool = pools.find((p) => p.name === name);
    if (!pool) return [];
    const all = mostTaken(vees.filter((v) => v.licences?.includes(name)));
    const withMore = (more: number) => {
      const count = pool.count + more;
      const others = pools.filter((p) => p.name !== name);
      return { ...snapshot, licences: { pools: [...others, { ...pool, count }], places } };
    };
    if (!fits({ snapshot: withMore(all) })) return [];
    let [short, more] = [0, all];
    while (more - short > 1) {
      const middle = Math.floor((short + more) / 2);
      if (fits({ snapshot: withMore(middle) })) more = middle;
      else short = middle;
    }
    return [operator(`with ${more} more ${more === 1 ? 'licence' : 'licences'} of ${name}`)];
  });
}

/** However they are counted, they take no more than that. */
const mostTaken = (vees: PlacementRequest['vees']): number =>
  vees.reduce((n, v) => n + Math.max(1, Math.ceil(v.need.cpuMillis / 1_000)), 0);

/** Of one component, the most that have room; what lives already stays what it is. */
function fewer(request: PlacementRequest, fits: Fits): Remedy[] {
  const components = [...new Set(request.vees.filter((v) => !v.moving).map((v) => v.component))];
  return components.slice(0, MOST_OF_A_KIND).flatMap((component) => {
    const members = request.vees.filter((v) => v.component === component);
    const without = (n: number) => {
      const kept = new Set(members.slice(0, n).map((v) => v.id));
      return { ...request, vees: request.vees.filter((v) => v.component !== component || kept.has(v.id)) };
    };
    // Fewer never need more, so the most is found by halves.
    let [room, tooMany] = [0, members.length];
    while (tooMany - room > 1) {
      const middle = Math.floor((room + tooMany) / 2);
      if (fits({ request: without(middle) })) room = middle;
      else tooMany = middle;
    }
    return room === 0 ? [] : [anybody(`with only ${room} of the ${members.length} new VEEs of ${component}`)];
  });
}

function rules(request: PlacementRequest, fits: Fits): Remedy[] {
  return request.constraints
    .slice(0, MOST_OF_A_KIND)
    .filter((given) =>
      fits({ request: { ...request, constraints: request.constraints.filter((c) => c !== given) } }),
    )
    .map((given) => anybody(`without the rule ${constraintName(given)}`));
}

/** Kept is for all of the site: to give it up is no affair of whoever asks for a place. */
function spare(
  { spare: kept }: Snapshot,
  { slaClass: _, ...request }: PlacementRequest,
  fits: Fits,
): Remedy[] {
  if (!kept || !fits({ request })) return [];
  return [operator(`without the room that is kept for the loss of any ${kept.lose}`)];
}

/** The latest end that leaves what is promised later: when others need their places is no affair of whoever asks for one. */
function sooner(snapshot: Snapshot, request: PlacementRequest, fits: Fits): Remedy[] {
  const { at, hosts } = snapshot;
  const stay = stayOf(snapshot, request);
  const begins = hosts.flatMap((h) => (h.promised?.promises ?? []).map((p) => p.from));
  const ends = [...new Set(begins)]
    .filter((from) => from > freeAtOf(at) && from < (stay?.freeAt ?? Number.POSITIVE_INFINITY))
    .sort((a, b) => a - b);
  const until = (freeAt: number) => ({ request: { ...request, stay: { ...stay, freeAt } } });
  // What ends sooner meets no more promises, so the latest that is enough is found by halves.
  let [enough, tooLate] = [-1, ends.length];
  while (tooLate - enough > 1) {
    const middle = Math.floor((enough + tooLate) / 2);
    if (fits(until(ends[middle] as number))) enough = middle;
    else tooLate = middle;
  }
  const freeAt = ends[enough];
  return freeAt === undefined ? [] : [operator(`if it ended by ${utcText(freeAt - CLEARING_MILLIS)}`)];
}

/** Empty ones, like the one that has the most. */
function newHosts(snapshot: Snapshot, { vees }: PlacementRequest, fits: Fits): Remedy[] {
  const [like] = [...snapshot.hosts].sort(
    (a, b) => dominantShare(b.capacity, a.capacity) - dominantShare(a.capacity, b.capacity),
  );
  if (!like) return [];
  const images = [...new Set(vees.map((v) => v.image))];
  const { promised: _, ...offer } = like;
  const empty = (n: number, zone: string): SnapshotHost => ({
    ...offer,
    ...{ id: `new-host-${n}` as HostId, zone, liveness: 'up', cordoned: false, images },
    reserved: ZERO,
  });
  for (let n = 1; n <= MOST_NEW_HOSTS; n++)
    for (const elsewhere of [false, true]) {
      const added = Array.from({ length: n }, (_, i) =>
        empty(i + 1, elsewhere ? `new-zone-${i + 1}` : like.zone),
      );
      if (!fits({ snapshot: { ...snapshot, hosts: [...snapshot.hosts, ...added] } })) continue;
      const hosts = n === 1 ? 'one more host' : `${n} more hosts`;
      const where = elsewhere ? `, ${n === 1 ? 'in a zone' : 'each in a zone'} of its own` : '';
      return [operator(`with ${hosts} like ${like.id}${where}, in use for nothing else`)];
    }
  return [];
}
