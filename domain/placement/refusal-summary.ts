import { groupBy } from '../group-by';
import type { Infeasible, Refusal } from './model';

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
    case 'image-missing':
      return `the host lacks the image ${r.image}`;
    case 'capacity':
      return `${r.dimension} ${r.need} needed, ${r.free} free`;
    case 'constraint':
      return `${r.constraint}: ${r.because}`;
  }
}

/** Why nothing fits, short enough for one message: the first VEE left over and what each host lacked. */
export function refusalSummary({ unplaced, proven }: Infeasible): string {
  const first = unplaced[0];
  if (!first) return 'Nothing was asked for.';
  const more = unplaced.length > 1 ? ` (and ${unplaced.length - 1} more)` : '';
  const hosts = first.hosts
    .slice(0, 10)
    .map(
      (h) =>
        `${h.hostId}: ${h.refusals.map(describeRefusal).join(', ') || 'taken by others of this request'}`,
    );
  const reasons = hosts.length > 0 ? hosts.join('; ') : 'the site has no hosts';
  const certainty = proven ? 'No placement exists' : 'No placement was found';
  return `${certainty} for ${first.component}/${first.index}${more}. ${reasons}.`;
}

/** The same without naming or measuring any host: how many refused, by kind of reason. */
export function refusalCounts({ unplaced }: Infeasible): string {
  const first = unplaced[0];
  if (!first) return 'Nothing was asked for.';
  const counts = groupBy(
    first.hosts.flatMap((h) => [...new Set(h.refusals.map((r) => r.reason))]),
    (reason) => reason,
  );
  const reasons = [...counts].map(([reason, of]) => `${of.length} × ${reason}`).join(', ');
  return `No host can take ${first.component}/${first.index}: ${reasons || 'the site has no hosts'}.`;
}
