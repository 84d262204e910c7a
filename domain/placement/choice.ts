import type { HostId } from '../ids';
import { rankingOf } from './built-in-policies';
import { rankOf } from './expressions';
import type { Board, Unit } from './feasibility';
import { type Assignment, type HostVerdict, type Rank, type SnapshotHost, weightOf } from './model';
import type { Placing, Policy, RankedHost } from './policy';
import { stableHash } from './stable-hash';

/** What each of these hosts says to a unit, on the board as it is. */
export function judge(
  board: Board,
  unit: Unit,
  policy: Policy,
  hosts: readonly SnapshotHost[] = board.hosts,
): HostVerdict[] {
  const judged = hosts.map((host) => ({ host, refusals: board.refusals(unit, host) }));
  const able = judged.flatMap(({ host, refusals }) => (refusals.length === 0 ? [host] : []));
  const ranked = board.ranked(unit, able);
  const scores = able.length === 0 ? [] : rankingOf(policy).scores(placingOf(unit, board.slaClass), ranked);
  const ranks = board.ranksOf(unit);
  let next = 0;
  return judged.map(({ host, refusals }) => {
    if (refusals.length > 0) return { hostId: host.id, refusals };
    // Six decimals: scores are kept in blueprints, and noise in the last bit must not decide a tie.
    const seen = ranked[next];
    const score = Math.round((scores[next++] ?? 0) * 1e6) / 1e6;
    const rank = seen && sumOfRanks(ranks, seen);
    const unmet = board.unmet(unit, host);
    return {
      ...{ hostId: host.id, refusals, score },
      ...(rank === undefined ? {} : { rank }),
      ...(unmet.length > 0 ? { unmet } : {}),
    };
  });
}

/** Of those that go together: what all of them make of it. */
function sumOfRanks(ranks: readonly Rank[], host: RankedHost): number | undefined {
  if (ranks.length === 0) return undefined;
  return ranks.reduce<number | undefined>((sum, { expression }) => {
    const rank = rankOf(expression, host);
    return sum === undefined || rank === undefined ? undefined : sum + rank;
  }, 0);
}

function placingOf({ vees: [first, ...others], need }: Unit, slaClass: Placing['slaClass']): Placing {
  if (!first) throw new RangeError('nothing is to be placed');
  const { tenantId, serviceId, component, image } = first;
  const of = { tenantId, serviceId, component, image, ...(slaClass ? { slaClass } : {}) };
  return { ...of, vees: others.length + 1, need };
}

/**
 * The one that leaves the least unmet of what is preferred; of those the highest rank, and of those the best score; ties by a
 * hash of seed and host id, then by id, so that a seed reproduces a plan.
 */
export function choose(verdicts: readonly HostVerdict[], seed: string): HostId | undefined {
  let best: HostVerdict | undefined;
  for (const v of verdicts) {
    if (v.score === undefined) continue;
    if (!best) {
      best = v;
      continue;
    }
    const worse = compare(v, best);
    if (worse < 0 || (worse === 0 && before(v.hostId, best.hostId, seed))) best = v;
  }
  return best?.hostId;
}

/** All that can take it, in the order in which they would be chosen. */
export function inOrderOfChoice(verdicts: readonly HostVerdict[], seed: string): HostId[] {
  return verdicts
    .filter((v) => v.score !== undefined)
    .map((v) => ({ v, hash: stableHash(seed + v.hostId) }))
    .sort((a, b) => compare(a.v, b.v) || a.hash - b.hash || (a.v.hostId < b.v.hostId ? -1 : 1))
    .map(({ v }) => v.hostId);
}

/** Below 0 when the first is the better one. */
const compare = (a: HostVerdict, b: HostVerdict): number =>
  weightOf(a) - weightOf(b) || compareRanks(b, a) || (a.score ?? 0) - (b.score ?? 0);

/** Above 0 when the first ranks higher; one without a rank comes last. */
function compareRanks(a: HostVerdict, b: HostVerdict): number {
  if (a.rank === b.rank) return 0;
  return (a.rank ?? -Infinity) > (b.rank ?? -Infinity) ? 1 : -1;
}

function before(a: HostId, b: HostId, seed: string): boolean {
  const [x, y] = [stableHash(seed + a), stableHash(seed + b)];
  return x < y || (x === y && a < b);
}

export function assign(
  unit: Unit,
  hostId: HostId,
  verdicts: readonly HostVerdict[],
  policy: Policy,
): Assignment[] {
  const able = verdicts.filter((v) => v.score !== undefined);
  const ranked = verdicts.some((v) => v.rank !== undefined);
  const why = ranked ? 'the best by its rank, then by the policy,' : rankingOf(policy).takes;
  const { score = 0 } = able.find((v) => v.hostId === hostId) ?? {};
  const remark = rankingOf(policy).remark?.(score);
  const tied = unit.vees.length > 1 ? `, with ${unit.vees.length - 1} more that must be together` : '';
  const because = `${choiceText(able, hostId, why)}${tied}`;
  return unit.vees.map((v) => ({
    veeId: v.id,
    component: v.component,
    index: v.index,
    hostId,
    because,
    ...(remark ? { remark } : {}),
    verdicts,
  }));
}

/** Why that host, out of those that can take it, of which some may keep more of what is preferred than others. */
function choiceText(able: readonly HostVerdict[], hostId: HostId, takes: string): string {
  const chosen = able.find((v) => v.hostId === hostId);
  const unmet = (chosen?.unmet ?? []).map((u) => `${u.constraint}, as ${u.because}`).join('; ');
  const without = unmet ? ` (not kept: ${unmet})` : '';
  if (!chosen || able.length === 1) return `the only host that can take it${without}`;
  const alike = able.filter((v) => weightOf(v) === weightOf(chosen)).length;
  const all = `${able.length} hosts that can take it`;
  if (alike === able.length) return `${takes} of the ${all}${without}`;
  const keep = chosen.unmet ? 'the most of what is preferred' : 'what is preferred';
  return alike === 1
    ? `the only one of the ${all} that keeps ${keep}${without}`
    : `${takes} of the ${alike} that keep ${keep}, out of ${all}${without}`;
}
