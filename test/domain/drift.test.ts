import type { ReportedState } from '../../domain/host';
import type { OperationId } from '../../domain/ids';
import { findDrift } from '../../domain/reconcile/drift';
import { DEFAULT_DRIFT_POLICY, type DriftState } from '../../domain/reconcile/model';
import { tasksOf } from '../../domain/reconcile/tasks';
import type { VeeState } from '../../domain/vee/state-machine';
import {
  attempt,
  CAPACITY,
  driftState,
  hostRecord,
  knownFinding,
  NOW,
  reported,
  SERVICE,
  veeRecord,
} from '../support/drift-states';

const look = (state: DriftState) => findDrift(state, DEFAULT_DRIFT_POLICY);
const actions = (state: DriftState) =>
  look(state).findings.map(({ kind, hostId, action }) => `${kind} ${hostId} ${action}`);

describe('a look for drift', () => {
  it('finds nothing where hosts report what is recorded', () => {
    const found = look(
      driftState(
        [veeRecord('a', 'h1'), veeRecord('b', 'h2', { state: 'PAUSED' })],
        [hostRecord('h1', [reported('a', 1, 'ACTIVE')]), hostRecord('h2', [reported('b', 1, 'PAUSED')])],
      ),
    );
    expect(found).toEqual({ findings: [], skipped: [], gone: [] });
  });

  describe('in place: what is recorded, what is reported, and what follows', () => {
    const TABLE: [VeeState, ReportedState | 'nothing', string | undefined][] = [
      ['ACTIVE', 'PAUSED', 'wrong-state h1 resume'],
      ['ACTIVE', 'SUSPENDED', 'wrong-state h1 restore'],
      ['ACTIVE', 'DEFINED', 'wrong-state h1 start'],
      ['ACTIVE', 'EXITED', 'wrong-state h1 start'],
      ['ACTIVE', 'INCOMING', 'wrong-state h1 switch-over'],
      ['ACTIVE', 'OUTGOING', 'wrong-state h1 take-back'],
      ['ACTIVE', 'nothing', 'missing h1 make-anew'],
      ['PAUSED', 'ACTIVE', 'wrong-state h1 pause'],
      ['PAUSED', 'SUSPENDED', 'wrong-state h1 report'],
      ['PAUSED', 'EXITED', 'wrong-state h1 report'],
      ['PAUSED', 'nothing', 'missing h1 report'],
      ['SUSPENDED', 'ACTIVE', 'wrong-state h1 suspend'],
      ['SUSPENDED', 'PAUSED', 'wrong-state h1 report'],
      ['SUSPENDED', 'DEFINED', 'wrong-state h1 report'],
      ['SUSPENDED', 'nothing', 'missing h1 report'],
      ['DEFINED', 'ACTIVE', 'wrong-state h1 report'],
      ['DEFINED', 'DEFINED', undefined],
      ['DEFINED', 'nothing', undefined],
    ];
    it.each(TABLE)('%s, %s: %s', (recorded, seen, expected) => {
      const vees = seen === 'nothing' ? [] : [reported('a', 1, seen)];
      const state = driftState([veeRecord('a', 'h1', { state: recorded })], [hostRecord('h1', vees)]);
      expect(actions(state)).toEqual(expected ? [expected] : []);
    });

    it('mends no state that the driver can’t lead to', () => {
      const host = hostRecord('h1', [reported('a', 1, 'ACTIVE')]);
      const { fingerprint } = host;
      const unable = {
        ...host,
        fingerprint: { ...fingerprint, capabilities: { ...fingerprint.capabilities, suspend: false } },
      };
      expect(actions(driftState([veeRecord('a', 'h1', { state: 'SUSPENDED' })], [unable]))).toEqual([
        'wrong-state h1 report',
      ]);
    });

    it('resizes what has another size than recorded, where the driver can; an agent that tells none is believed', () => {
      const small = { ...CAPACITY, cpuMillis: 50 };
      const of = (host: ReturnType<typeof hostRecord>) => actions(driftState([veeRecord('a', 'h1')], [host]));
      const host = hostRecord('h1', [reported('a', 1, 'ACTIVE', small)]);
      expect(of(host)).toEqual(['wrong-size h1 resize']);
      const { fingerprint } = host;
      const capabilities = { ...fingerprint.capabilities, liveResize: false };
      expect(of({ ...host, fingerprint: { ...fingerprint, capabilities } })).toEqual([
        'wrong-size h1 report',
      ]);
      expect(of(hostRecord('h1', [reported('a', 1, 'ACTIVE', { ...CAPACITY, diskMiB: 1 })]))).toEqual([
        'wrong-size h1 report',
      ]);
      expect(of(hostRecord('h1', [{ veeId: 'a', epoch: 1, state: 'ACTIVE' }]))).toEqual([]);
    });
  });

  describe('believes only what can be known', () => {
    const missing = (host: ReturnType<typeof hostRecord>) => driftState([veeRecord('a', 'h1')], [host]);

    it('not a host that does not answer', () => {
      for (const liveness of ['suspect', 'lost'] as const)
        expect(look(missing(hostRecord('h1', [], { liveness }))).findings).toEqual([]);
    });

    it('not a report that is older than the record', () => {
      expect(look(missing(hostRecord('h1', [], { reportedAt: NOW - 60_000 }))).findings).toEqual([]);
    });

    it('nothing that an operation under way may explain, and says which', () => {
      const state = missing(hostRecord('h1'));
      const of = (o: Partial<DriftState['underWay'][number]>) =>
        look({
          ...state,
          underWay: [{ id: 'op-x' as OperationId, kind: 'service.scale', state: 'running', ...o }],
        });
      for (const explains of [
        { serviceId: SERVICE },
        { kind: 'host.recover', hostId: state.hosts[0]?.id },
        { kind: 'site.shutdown' },
      ] as const) {
        const { findings, skipped } = of(explains as never);
        expect([explains, findings, skipped.length]).toEqual([explains, [], 1]);
        expect(skipped[0]?.because).toMatch(/op-x is under way$/);
      }
      expect(of({ serviceId: 'svc-2' as never }).findings).toHaveLength(1);
      expect(of({ kind: 'site.reconcile' }).findings).toHaveLength(1);
    });

    it('starts nothing for a service that was left half-way', () => {
      const state = missing(hostRecord('h1'));
      for (const phase of ['deploying', 'decommissioning'] as const)
        expect(actions({ ...state, phases: new Map([[SERVICE, phase]]) })).toEqual(['missing h1 report']);
    });
  });

  describe('of copies elsewhere', () => {
    it('ends one that is superseded, under the epoch that is recorded', () => {
      const state = driftState(
        [veeRecord('a', 'h1', { epoch: 2 })],
        [hostRecord('h1', [reported('a', 2, 'ACTIVE')]), hostRecord('h2', [reported('a', 1, 'ACTIVE')])],
      );
      expect(look(state).findings).toMatchObject([
        { kind: 'wrong-host', hostId: 'h2', action: 'end', endAtEpoch: 2 },
      ]);
    });

    it('adopts the one that runs at the newest epoch, when the recorded one does not', () => {
      for (const own of [[], [reported('a', 1, 'OUTGOING')], [reported('a', 1, 'EXITED')]]) {
        const state = driftState(
          [{ vee: veeRecord('a', 'h1'), newestEpoch: 2 }],
          [hostRecord('h1', own), hostRecord('h2', [reported('a', 2, 'ACTIVE')])],
        );
        expect(actions(state)).toEqual(['wrong-host h2 adopt']);
      }
    });

    it('adopts one that was made anew on its own host and not recorded', () => {
      const state = driftState(
        [{ vee: veeRecord('a', 'h1'), newestEpoch: 2 }],
        [hostRecord('h1', [reported('a', 2, 'ACTIVE')])],
      );
      expect(actions(state)).toEqual(['wrong-host h1 adopt']);
    });

    it('ends the one that is not recorded, when the recorded one runs', () => {
      for (const seen of ['ACTIVE', 'INCOMING'] as const) {
        const state = driftState(
          [{ vee: veeRecord('a', 'h1'), newestEpoch: 3 }],
          [hostRecord('h1', [reported('a', 1, 'ACTIVE')]), hostRecord('h2', [reported('a', 2, seen)])],
        );
        expect(look(state).findings).toMatchObject([{ hostId: 'h2', action: 'end', endAtEpoch: 3 }]);
      }
    });

    it('clears a migration’s target away before the source is taken back', () => {
      const vee = { vee: veeRecord('a', 'h1'), newestEpoch: 2 };
      const source = hostRecord('h1', [reported('a', 1, 'OUTGOING')]);
      const target = hostRecord('h2', [reported('a', 2, 'INCOMING')]);
      expect(actions(driftState([vee], [source, target]))).toEqual(['wrong-host h2 end']);
      expect(actions(driftState([vee], [source, hostRecord('h2')]))).toEqual(['wrong-state h1 take-back']);
    });

    it('waits while a host that may have one is silent', () => {
      const vee = { vee: veeRecord('a', 'h1'), newestEpoch: 2 };
      const away = { liveness: 'lost' as const, holds: ['a'] };
      const gone = (own: ReturnType<typeof hostRecord>, other: ReturnType<typeof hostRecord>) =>
        actions(driftState([vee], [own, other]));
      const exited = hostRecord('h1', [reported('a', 1, 'EXITED')]);
      expect(gone(exited, hostRecord('h2', [], away))).toEqual(['wrong-state h1 wait']);
      expect(gone(hostRecord('h1', [], { holds: ['a'] }), hostRecord('h2', [], away))).toEqual([
        'missing h1 wait',
      ]);
      // Without a place there it can have none there.
      expect(gone(exited, hostRecord('h2', [], { liveness: 'lost' }))).toEqual(['wrong-state h1 start']);
      expect(gone(exited, hostRecord('h2', [reported('a', 2, 'ACTIVE')], { liveness: 'suspect' }))).toEqual([
        'wrong-host h2 wait',
      ]);
    });

    it('leaves the only copy of a VEE alone, and every case that can’t be told apart', () => {
      const of = (newestEpoch: number, ...hosts: ReturnType<typeof hostRecord>[]) =>
        actions(driftState([{ vee: veeRecord('a', 'h1'), newestEpoch }], hosts));
      expect(of(2, hostRecord('h1'), hostRecord('h2', [reported('a', 2, 'INCOMING')]))).toEqual([
        'wrong-host h2 report',
      ]);
      expect(
        of(
          3,
          hostRecord('h1'),
          hostRecord('h2', [reported('a', 2, 'ACTIVE')]),
          hostRecord('h3', [reported('a', 3, 'ACTIVE')]),
        ),
      ).toEqual(['wrong-host h2 report', 'wrong-host h3 report']);
      expect(of(1, hostRecord('h1'), hostRecord('h2', [reported('a', 7, 'ACTIVE')]))).toEqual([
        'wrong-host h2 report',
      ]);
    });
  });

  describe('of copies that nothing is recorded of', () => {
    const id = 'extra/ghost/h1';
    const seen = hostRecord('h1', [reported('ghost', 3, 'ACTIVE')]);

    it('waits with the first look, and ends them once they were seen for long enough in two reports', () => {
      expect(actions(driftState([], [seen]))).toEqual(['extra h1 wait']);
      const known = (firstSeenAt: number) => [knownFinding(id, { firstSeenAt })];
      expect(actions(driftState([], [seen], { known: known(NOW - 9_999) }))).toEqual(['extra h1 wait']);
      const due = driftState([], [seen], { known: known(NOW - 10_000) });
      expect(look(due).findings).toMatchObject([{ action: 'end', endAtEpoch: 3 }]);
      const old = { ...seen, reportedAt: NOW - 10_001 };
      expect(actions(driftState([], [old], { known: known(NOW - 10_000) }))).toEqual(['extra h1 wait']);
    });

    it('begins to count again once it was gone', () => {
      const known = [knownFinding(id, { mendedAt: NOW - 30_000 })];
      expect(actions(driftState([], [seen], { known }))).toEqual(['extra h1 wait']);
    });

    it('ends those of destroyed VEEs under the newest epoch that was handed out', () => {
      const vee = { vee: veeRecord('ghost', 'h1', { state: 'DESTROYED', epoch: 2 }), newestEpoch: 5 };
      expect(look(driftState([vee], [seen], { known: [knownFinding(id)] })).findings).toMatchObject([
        { kind: 'extra', action: 'end', endAtEpoch: 5, because: 'its VEE is destroyed' },
      ]);
    });

    it('ends none when there are so many that rather the records are lost; an operator may insist', () => {
      const ghosts = Array.from({ length: 11 }, (_, i) => reported(`g${i}`, 1, 'ACTIVE'));
      const known = ghosts.map((g) => knownFinding(`extra/${g.veeId}/h1`));
      const state = driftState([], [hostRecord('h1', ghosts)], { known });
      expect(new Set(actions(state))).toEqual(new Set(['extra h1 report']));
      const insisted = findDrift(state, DEFAULT_DRIFT_POLICY, { kinds: ['extra'] });
      expect(new Set(insisted.findings.map((f) => f.action))).toEqual(new Set(['end']));
    });
  });

  describe('remembers', () => {
    const exited = driftState([veeRecord('a', 'h1')], [hostRecord('h1', [reported('a', 1, 'EXITED')])]);
    const id = 'wrong-state/a/h1';

    it('how often it mended a VEE: what keeps coming back is only told, until time has passed', () => {
      const attempts = [1, 2, 3, 4, 5].map((n) => attempt(n, NOW - n * 60_000));
      const [held] = look({ ...exited, known: [knownFinding(id, { attempts })] }).findings;
      expect(held).toMatchObject({ action: 'report', recurs: true });
      const older = [...attempts.slice(0, 4), attempt(6, NOW - 3_600_000)];
      expect(actions({ ...exited, known: [knownFinding(id, { attempts: older })] })).toEqual([
        'wrong-state h1 start',
      ]);
    });

    it('when it was mended: what a host said before that is not found again', () => {
      const at = (mendedAt: number) =>
        look({ ...exited, known: [knownFinding(id, { mendedAt })] }).findings.length;
      expect(at(NOW - 50)).toBe(0);
      expect(at(NOW - 150)).toBe(1);
    });

    it('what it found, and says what is gone: by a newer report, and with nothing under way', () => {
      const state = driftState([veeRecord('a', 'h1')], [hostRecord('h1', [reported('a', 1, 'ACTIVE')])]);
      const known = [knownFinding(id)];
      expect(look({ ...state, known }).gone).toEqual([id]);
      expect(look({ ...state, known: [knownFinding(id, { seenInReportOf: NOW - 100 })] }).gone).toEqual([]);
      const underWay = [
        { id: 'op' as OperationId, kind: 'vee.mend' as const, state: 'running' as const, serviceId: SERVICE },
      ];
      expect(look({ ...state, known, underWay }).gone).toEqual([]);
      expect(look({ ...exited, known }).gone).toEqual([]);
    });
  });

  it('makes no more tasks at once than a workflow may carry', () => {
    const vees = Array.from({ length: 3_000 }, (_, i) => {
      const id = `vee-${String(i).padStart(24, '0')}`;
      const serviceId = `svc-${String(i % 30).padStart(24, '0')}` as typeof SERVICE;
      return veeRecord(id, 'host-with-a-rather-long-name', { index: i, serviceId });
    });
    const phases = new Map(vees.map((v) => [v.serviceId, 'operating' as const]));
    for (const seen of [[], vees.map((v) => reported(v.id, 1, 'EXITED'))]) {
      const host = hostRecord('host-with-a-rather-long-name', seen);
      const tasks = tasksOf(look(driftState(vees, [host], { phases })).findings, [host]);
      expect(JSON.stringify(tasks).length).toBeLessThan(100 * 1_024);
      expect(tasks.length).toBeGreaterThan(3);
    }
  });

  it('makes tasks of what is to be done: the missing of a service together, nothing when only a report is wanted', () => {
    const { findings } = look(
      driftState(
        [veeRecord('a', 'h1'), veeRecord('b', 'h1', { index: 1 }), veeRecord('c', 'h1', { index: 2 })],
        [hostRecord('h1', [reported('c', 1, 'EXITED')])],
      ),
    );
    const hosts = [hostRecord('h1')];
    expect(tasksOf(findings, hosts)).toMatchObject([
      { do: 'mend', verb: 'start', veeId: 'c', label: 'app/2' },
      { do: 'make-anew', serviceId: SERVICE, vees: [{ veeId: 'a' }, { veeId: 'b' }], label: 'app/0, app/1' },
    ]);
    expect(tasksOf(findings, hosts, { kinds: ['wrong-state'] })).toHaveLength(1);
    expect(tasksOf(findings, hosts, { hostId: 'h2' })).toEqual([]);
    expect(tasksOf(findings, hosts, { reportOnly: true })).toEqual([]);
  });
});
