import { groupBy } from '../group-by';
import { pinnedImage } from '../images/reference';
import { nameOf, termOf } from '../units';
import { utcText } from '../utc';
import { describeLicenceRefusal } from './licences';
import type { HostVerdict, Infeasible, Refusal } from './model';

/** Of more hosts than so many it is said how many refuse for which reason, rather than what each of them lacks. */
const MOST_NAMED = 5;

export function describeRefusal(r: Refusal): string {
  switch (r.reason) {
    case 'not-up':
      return `the host is ${r.liveness}`;
    case 'cordoned':
      return 'the host is cordoned';
    case 'source-host':
      return 'it runs there now';
    case 'other-driver':
      return `the host’s driver is ${r.driver}`;
    case 'not-asked-for':
      return 'it is not the host that was asked for';
    case 'tenant-apart':
      return 'the host has VEEs of a tenant that this one is kept apart from';
    case 'no-spare':
      return r.lost === undefined
        ? 'room is kept for losses (sluice spare), and too many better hosts refuse for that'
        : `room is kept for losses (sluice spare): with it there the loss of ${r.lost} would leave no place for ${r.stranded}`;
    case 'image-missing':
      return describeMissingImage(r.image);
    case 'licence':
      return describeLicenceRefusal(r);
    case 'no-device':
      return describeNoDevice(r);
    case 'capacity':
      return `${termOf(r.dimension)} ${r.need} needed, ${r.free} free`;
    case 'promised':
      return `${termOf(r.dimension)} ${r.need} needed, ${r.free} free beside what is promised to reservation ${r.to} from ${utcText(r.from)} on`;
    case 'constraint':
      return `${r.constraint}: ${r.because}`;
  }
}

/** Why nothing fits, short enough for one message: the first VEE left over and what each host lacked. */
export function refusalSummary({ unplaced, proven }: Infeasible): string {
  const first = unplaced[0];
  if (!first) return 'Nothing was asked for.';
  const more = unplaced.length > 1 ? ` (and ${unplaced.length - 1} more)` : '';
  const certainty = proven ? 'No placement exists' : 'No placement was found';
  return `${certainty} for ${first.component}/${first.index}${more}. ${reasonsOf(first.hosts)}.`;
}

function describeNoDevice({ device, there }: Extract<Refusal, { reason: 'no-device' }>): string {
  const names = there.length > 0 ? `there are: ${there.join(', ')}` : 'there are none of any name';
  return `no host of the site has a device ${device}; ${names}`;
}

function reasonsOf(hosts: readonly HostVerdict[]): string {
  if (hosts.length === 0) return 'the site has no hosts';
  // Alike on all hosts, whatever else each of them lacks.
  const none = hosts[0]?.refusals.find((r) => r.reason === 'no-device');
  if (none) return describeRefusal(none);
  if (hosts.length <= MOST_NAMED)
    return hosts.map((h) => `${h.hostId}: ${h.refusals.map(describeRefusal).join(', ') || TAKEN}`).join('; ');
  const nearest = nearestOf(hosts);
  const almost =
    nearest && `; nearest is ${nearest.hostId}: ${nearest.refusals.map(describeRefusal).join(', ')}`;
  return `${describeGroups(refusalGroups(hosts))}${almost ?? ''}`;
}

const TAKEN = 'taken by others of this request';

/** So many hosts refuse for that reason, or for these together. */
export interface RefusalGroup {
  readonly because: string;
  readonly hosts: number;
}

/** Why hosts refuse, the most frequent first; each host counts once. */
export function refusalGroups(verdicts: readonly Pick<HostVerdict, 'refusals'>[]): RefusalGroup[] {
  const groups = groupBy(verdicts, (v) => [...new Set(v.refusals.map(kindOf))].join(' and ') || TAKEN);
  return inOrder([...groups].map(([because, of]) => ({ because, hosts: of.length })));
}

/** The most frequent first. */
export const inOrder = (groups: readonly RefusalGroup[]): RefusalGroup[] =>
  [...groups].sort((a, b) => b.hosts - a.hosts || (a.because < b.because ? -1 : 1));

export const describeGroups = (groups: readonly RefusalGroup[]): string =>
  groups.map(({ because, hosts }) => `${hosts} ${hosts === 1 ? 'host' : 'hosts'}: ${because}`).join('; ');

/** Without what differs from host to host. */
function kindOf(r: Refusal): string {
  if (r.reason === 'capacity') return nameOf(r.dimension);
  if (r.reason === 'promised') return `${nameOf(r.dimension)} that is promised to reservations`;
  if (r.reason === 'no-spare') return 'the room that is kept for losses';
  return r.reason === 'constraint' ? r.constraint : describeRefusal(r);
}

/** The host that lacks least, of those that only lack capacity: what is to be freed there is the smallest change. */
function nearestOf(hosts: readonly HostVerdict[]): HostVerdict | undefined {
  const lacking = hosts.flatMap((host) => {
    const shares = host.refusals.map((r) =>
      r.reason === 'capacity' || r.reason === 'promised' ? (r.need - r.free) / r.need : Infinity,
    );
    const most = Math.max(...shares);
    return shares.length > 0 && most < Infinity ? [{ host, most }] : [];
  });
  const least = lacking.reduce<(typeof lacking)[number] | undefined>(
    (best, one) => (best && best.most <= one.most ? best : one),
    undefined,
  );
  return least?.host;
}

/** That there is somebody it is kept apart from, or room for what others lose or are promised, is not for a tenant to know. */
const TOLD_AS: Partial<Record<Refusal['reason'], Refusal['reason']>> = {
  'tenant-apart': 'capacity',
  'no-spare': 'capacity',
  promised: 'capacity',
};

/** The same without naming or measuring any host: how many refused, by kind of reason. */
export function refusalCounts({ unplaced }: Infeasible): string {
  const first = unplaced[0];
  if (!first) return 'Nothing was asked for.';
  const counts = groupBy(
    first.hosts.flatMap((h) => [...new Set(h.refusals.map(({ reason }) => TOLD_AS[reason] ?? reason))]),
    (reason) => reason,
  );
  const reasons = [...counts].map(([reason, of]) => `${of.length} × ${reason}`).join(', ');
  return `No host can take ${first.component}/${first.index}: ${reasons || 'the site has no hosts'}.`;
}

function describeMissingImage(image: string): string {
  const pinned = pinnedImage(image);
  return pinned
    ? `the host runs no ${pinned.format} images of the registry`
    : `the host lacks the image ${image}`;
}
