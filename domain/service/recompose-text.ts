import type { Assignment } from '../placement/model';
import type { MemberAction, Recomposition } from './recompose';
import { type ChangeReason, describeReason } from './recompose-reasons';
import type { Rehearsed } from './rehearsal';

/** What a tenant may read: that a host has no room, but not how much it has. */
export const forTenants = (r: ChangeReason): ChangeReason =>
  r.reason === 'no-room' ? { reason: 'no-room', dimension: r.dimension } : r;

/** A re-composition in lines for people: what becomes of each VEE, and then in which order. */
export function describeRecomposition(
  { members, creations, waves }: Recomposition,
  rehearsed?: Rehearsed,
): string[] {
  const byId = new Map(members.map((m) => [m.veeId as string, m]));
  const named = (id: string) => {
    const m = byId.get(id);
    return m ? label(m) : id;
  };
  const width = Math.max(
    0,
    ...[...members, ...creations.map(() => ({ verb: 'create' }))].map((m) => m.verb.length),
  );
  const line = (verb: string, what: string, reasons: readonly ChangeReason[]) =>
    `${verb.padEnd(width)} ${what}${reasons.length > 0 ? `: ${reasons.map(describeReason).join(', ')}` : ''}`;
  return [
    ...members.map((m) => line(m.verb, `${label(m)} on ${m.hostId}`, m.reasons)),
    ...creations.map((c) => line('create', `${c.count} × ${c.component}`, [c.reason])),
    ...waves.map((wave, i) => {
      const { move, creates } = rehearsed?.waves[i] ?? {};
      const parts = [
        ...wave.resizes.map((id) => `resize ${named(id)}`),
        ...(wave.move ? [`move ${named(wave.move)}${move ? ` to ${placed(move)}` : ''}`] : []),
        ...(creates?.map((a) => `create ${label(a)} on ${placed(a)}`) ??
          wave.creates.map((c) => `create ${label(c)}`)),
        ...wave.destroys.map((id) => `destroy ${named(id)}`),
      ];
      return `wave ${i + 1} of ${waves.length}: ${parts.join('; ')}`;
    }),
  ];
}

const label = (v: Pick<MemberAction, 'component' | 'index'>) => `${v.component}/${v.index}`;
const placed = (a: Assignment) => `${a.hostId} (${a.because})`;
