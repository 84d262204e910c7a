import type { HostId } from '../ids';
import { bookOf, type LicenceBook, type LicenceRefusal, licenceNames, placeOf } from './licences';
import type { PlacementRequest, RequestedVee, Snapshot } from './model';

/** What a request takes of licences: as they were before it, and with what is placed so far. */
type When = 'before' | 'now';

interface Answer {
  /** What holds on every host: a VEE takes as many wherever it goes. */
  readonly anywhere: LicenceRefusal | undefined;
  /** Those that hosts take. */
  readonly perHost: readonly string[];
}

/**
 * Licences while a plan is made. What does not depend on the host is worked out once for each VEE, not on each of ten thousand
 * hosts. Mutable, private to one run of a planner.
 */
export class LicenceDesk {
  private readonly before: LicenceBook;
  private now: LicenceBook;
  private readonly known = { before: new Map<Vees, Answer>(), now: new Map<Vees, Answer>() };

  /** @returns undefined where nothing of the request takes any */
  static of(snapshot: Snapshot, { vees }: PlacementRequest): LicenceDesk | undefined {
    return licenceNames(vees).length === 0 ? undefined : new LicenceDesk(bookOf(snapshot));
  }

  private constructor(book: LicenceBook) {
    this.before = book;
    this.now = book;
  }

  put(vees: Vees, hostId: HostId): void {
    if (licenceNames(vees).length === 0) return;
    if (this.now === this.before) this.now = this.before.copy();
    this.now.add(placesFor(vees, hostId));
    this.known.now.clear();
  }

  refusal(vees: Vees, hostId: HostId, when: When): LicenceRefusal | undefined {
    const { anywhere, perHost } = this.answer(vees, when);
    if (anywhere || perHost.length === 0) return anywhere;
    return this[when].refusal(placesFor(vees, hostId), perHost);
  }

  /** Would a host take one that it has not yet? */
  takesMore(vees: Vees, hostId: HostId): boolean {
    const places = placesFor(vees, hostId);
    return this.answer(vees, 'now').perHost.some((name) =>
      places.some((p) => p.licences.includes(name) && this.now.needed(name, p) > 0),
    );
  }

  /** The same for VEEs to which all hosts say the same of licences, but those on which something was put meanwhile. */
  standingOf(vees: Vees): unknown {
    const { anywhere, perHost } = this.answer(vees, 'now');
    const left = perHost.map((name) => this.now.isLeft(name));
    return [licenceNames(vees), anywhere, this.answer(vees, 'before').anywhere, left];
  }

  private answer(vees: Vees, when: When): Answer {
    const known = this.known[when].get(vees);
    if (known) return known;
    const book = this[when];
    const names = licenceNames(vees);
    const perHost = names.filter((name) => book.isPerHost(name));
    const others = names.filter((name) => !perHost.includes(name));
    const answer = { anywhere: book.refusal(placesFor(vees, ANY_HOST), others), perHost };
    this.known[when].set(vees, answer);
    return answer;
  }
}

type Vees = readonly RequestedVee[];

const ANY_HOST = 'any' as HostId;

const placesFor = (vees: Vees, hostId: HostId) => vees.map((v) => placeOf(v, hostId));
