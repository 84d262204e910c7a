import fc from 'fast-check';
import type { HostLiveness, ReportedState } from '../../domain/host';
import { runs } from '../../domain/reconcile/copies';
import { findDrift, isActed } from '../../domain/reconcile/drift';
import { DEFAULT_DRIFT_POLICY, type DriftFinding, STARTING_VERBS } from '../../domain/reconcile/model';
import type { VeeState } from '../../domain/vee/state-machine';
import { driftState, hostRecord, knownFinding, NOW, reported, veeRecord } from '../support/drift-states';

const HOSTS = ['h1', 'h2', 'h3'] as const;
const STATES: ReportedState[] = [
  'DEFINED',
  'ACTIVE',
  'PAUSED',
  'SUSPENDED',
  'EXITED',
  'INCOMING',
  'OUTGOING',
];

/** What is really on one host, and what it last told of it. A silent host's word may be out of date. */
interface TrueHost {
  readonly liveness: HostLiveness;
  readonly fresh: boolean;
  readonly copy: { readonly epoch: number; readonly state: ReportedState } | undefined;
  readonly staleWord: boolean;
  readonly holds: boolean;
}

const trueHost: fc.Arbitrary<TrueHost> = fc.record({
  liveness: fc.constantFrom<HostLiveness>('up', 'up', 'up', 'suspect', 'lost'),
  fresh: fc.boolean(),
  copy: fc.option(fc.record({ epoch: fc.integer({ min: 1, max: 4 }), state: fc.constantFrom(...STATES) }), {
    nil: undefined,
    freq: 2,
  }),
  staleWord: fc.boolean(),
  holds: fc.boolean(),
});

const world = fc.record({
  hosts: fc.tuple(trueHost, trueHost, trueHost),
  state: fc.constantFrom<VeeState>('DEFINED', 'ACTIVE', 'ACTIVE', 'PAUSED', 'SUSPENDED', 'DESTROYED'),
  home: fc.constantFrom(...HOSTS),
  epoch: fc.integer({ min: 1, max: 3 }),
  more: fc.integer({ min: 0, max: 1 }),
  seenBefore: fc.boolean(),
});
type World = typeof world extends fc.Arbitrary<infer W> ? W : never;

const answers = (h: TrueHost) => h.liveness === 'up' && h.fresh;

/**
 * A host that does not answer has a copy that counts only where the VEE holds a place, or where it was reported: a
 * migration takes the place before it makes the copy, and gives it back after the copy is gone.
 */
function possible({ hosts, epoch }: World): boolean {
  return hosts.every((h) => answers(h) || !h.copy || h.copy.epoch < epoch || h.holds || !h.staleWord);
}

function look(w: World): { findings: readonly DriftFinding[]; w: World } {
  const newest = Math.max(w.epoch, ...w.hosts.map((h) => h.copy?.epoch ?? 0)) + w.more;
  const vee = veeRecord('a', w.home, { state: w.state, epoch: w.epoch, updatedAt: NOW - 1_000 });
  const hosts = w.hosts.map((h, i) => {
    const told = h.copy && (answers(h) || !h.staleWord) ? [reported('a', h.copy.epoch, h.copy.state)] : [];
    return hostRecord(HOSTS[i] ?? '', told, {
      liveness: h.liveness,
      reportedAt: h.fresh ? NOW - 100 : NOW - 2_000,
      holds: h.holds ? ['a'] : [],
    });
  });
  const known = w.seenBefore ? HOSTS.map((h) => knownFinding(`extra/a/${h}`)) : [];
  const state = driftState([{ vee, newestEpoch: newest }], hosts, { known });
  return { findings: findDrift(state, DEFAULT_DRIFT_POLICY).findings, w };
}

const starts = ({ action }: DriftFinding) =>
  action === 'make-anew' || (STARTING_VERBS as readonly string[]).includes(action);

/** All properties hold for any true state of three hosts, whatever they last said. */
const forAnyWorld = (check: (findings: readonly DriftFinding[], w: World) => void) =>
  fc.assert(
    fc.property(world, (w) => {
      fc.pre(possible(w));
      check(look(w).findings, w);
    }),
    { numRuns: 15_000 },
  );

describe('whatever hosts really run, and whatever they last said of it', () => {
  it('nothing is started while another copy runs that has not been superseded', () => {
    let started = 0;
    forAnyWorld((findings, w) => {
      if (!findings.some(starts)) return;
      started++;
      const home = HOSTS.indexOf(w.home);
      const rivals = w.hosts.filter((h, i) => i !== home && h.copy && runs(h.copy));
      expect(rivals.filter((h) => (h.copy?.epoch ?? 0) >= w.epoch || answers(h))).toEqual([]);
    });
    expect(started).toBeGreaterThan(100);
  });

  it('nothing is started on a host that does not answer, and nothing twice', () => {
    forAnyWorld((findings, w) => {
      const started = findings.filter(starts);
      expect(started.length).toBeLessThanOrEqual(1);
      for (const f of started) {
        expect(f.hostId).toBe(w.home);
        expect(answers(w.hosts[HOSTS.indexOf(w.home)] as TrueHost)).toBe(true);
      }
    });
  });

  it('a copy is started or made anew only if its VEE is to run', () => {
    forAnyWorld((findings, w) => {
      if (w.state !== 'ACTIVE') expect(findings.filter(starts)).toEqual([]);
    });
  });

  it('what is ended is never the copy that is recorded, nor one of a host that does not answer', () => {
    let ended = 0;
    forAnyWorld((findings, w) => {
      for (const f of findings.filter((one) => one.action === 'end')) {
        ended++;
        const recorded = w.state !== 'DESTROYED' && f.hostId === w.home && f.reported?.epoch === w.epoch;
        expect(recorded).toBe(false);
        expect(answers(w.hosts[HOSTS.indexOf(f.hostId as never)] as TrueHost)).toBe(true);
        expect(f.endAtEpoch).toBeGreaterThanOrEqual(f.reported?.epoch ?? Number.POSITIVE_INFINITY);
      }
    });
    expect(ended).toBeGreaterThan(100);
  });

  it('ending never takes the last copy of a living VEE that has run at its newest epoch', () => {
    forAnyWorld((findings, w) => {
      if (w.state === 'DESTROYED') return;
      const ends = findings.filter((f) => f.action === 'end' && (f.reported?.epoch ?? 0) >= w.epoch);
      if (ends.length === 0) return;
      const own = w.hosts[HOSTS.indexOf(w.home)]?.copy;
      expect(own?.epoch).toBe(w.epoch);
    });
  });

  it('only a copy that has run is adopted, and only while the recorded one does not run', () => {
    let adopted = 0;
    forAnyWorld((findings, w) => {
      for (const f of findings.filter((one) => one.action === 'adopt')) {
        adopted++;
        expect(['ACTIVE', 'PAUSED', 'SUSPENDED', 'EXITED']).toContain(f.reported?.state);
        const own = w.hosts[HOSTS.indexOf(w.home)];
        if (f.hostId !== w.home && own?.copy?.epoch === w.epoch) expect(runs(own.copy)).toBe(false);
        expect(findings.filter(isActed).every((one) => one === f || one.action === 'end')).toBe(true);
      }
    });
    expect(adopted).toBeGreaterThan(100);
  });

  it('nothing is found where each host that answers has just what is recorded', () => {
    fc.assert(
      fc.property(world, (w) => {
        if (w.state === 'DESTROYED') return;
        const hosts = w.hosts.map((h, i) => ({
          ...h,
          copy:
            HOSTS[i] === w.home && w.state !== 'DEFINED'
              ? { epoch: w.epoch, state: w.state as ReportedState }
              : undefined,
        })) as unknown as World['hosts'];
        expect(look({ ...w, hosts }).findings).toEqual([]);
      }),
    );
  });
});
