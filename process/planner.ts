import { join } from 'node:path';
import { Piscina } from 'piscina';
import { SluiceError } from '../domain/errors';
import type { LeasePlan, NoLease } from '../domain/leases/model';
import { inBrief, type LeaseQuestion, planLease, takesLong } from '../domain/leases/plan';
import type { Admission, AdmissionQuestion } from '../domain/maintenance/admission';
import type { Failover } from '../domain/maintenance/failover';
import type { FailoverQuestion } from '../domain/maintenance/failover-question';
import type { HarderMoves, Moves } from '../domain/migration/moves-elsewhere';
import type { Harder, HarderQuestion } from '../domain/placement/harder';
import { type Policy, PolicyBroken, policyData } from '../domain/placement/policy';
import type { Remedy, RemedyQuestion } from '../domain/placement/remedies';
import type { ServiceRoom, ServiceRoomQuestion } from '../domain/placement/room';
import type { Sizing, SizingQuestion } from '../domain/placement/sizing';
import type { BalancePlan, BalanceQuestion } from '../domain/rebalance/model';
import type { Broken, PluginFolders, ThreadSettings } from './planner-thread';
import { findCbc } from './portfolio/cbc';

/** A site of two thousand hosts takes some seconds. */
const DEADLINE_MILLIS = 60_000;
/** Well within what a decision may take (`site` in workflows/lib/activities.ts), also where others are asked before it. */
const PLACE_MILLIS = 8_000;
/** The same, for what may have to be answered here only. */
const MOVES_MILLIS = 14_000;
/** More that ask at once than so many are told to come back. */
const MOST_WAITING = 8;

/** Answers that take long, given so that nobody is kept waiting who has other things to do in this process. */
export interface Planner {
  /** Decides how to even a site out, or which hosts to free. */
  readonly planRebalance: (question: BalanceQuestion) => Promise<BalancePlan>;
  /** Is there room after all for what a quick plan has found none for? */
  readonly placeHarder: (question: HarderQuestion) => Promise<Harder>;
  /** Which VEEs of a service go where, in a large site or where there is little room? */
  readonly decideMoves: (question: HarderMoves) => Promise<Moves>;
  /** How many more services of a manifest fit? */
  readonly roomForService: (question: ServiceRoomQuestion) => Promise<ServiceRoom>;
  /** What would be enough for a request that found no room? */
  readonly remediesFor: (question: RemedyQuestion) => Promise<Remedy[]>;
  /** Should a service be taken on? */
  readonly admission: (question: AdmissionQuestion) => Promise<Admission>;
  /** What would be left without a place if hosts were lost? */
  readonly failover: (question: FailoverQuestion) => Promise<Failover>;
  /** Where, and when, is there room for a reservation? */
  readonly planLease: (question: LeaseQuestion) => Promise<LeasePlan | NoLease>;
  /** How few hosts would do? */
  readonly sizing: (question: SizingQuestion) => Promise<Sizing>;
}

/**
 * One thread for the whole process, begun when it is first needed and ended when it has been idle.
 * @throws SluiceError `unavailable` when too many ask at once, `conflict` when the answer takes too long
 * @throws PolicyBroken
 */
export function plannerInThread(folders: PluginFolders): Planner {
  const pool = new Piscina({
    filename: join(__dirname, 'planner-thread.js'),
    minThreads: 0,
    maxThreads: 1,
    maxQueue: MOST_WAITING,
    idleTimeout: 10_000,
    // Looked for once: whoever installs it starts the process again.
    workerData: { ...folders, cbc: findCbc() } satisfies ThreadSettings,
    resourceLimits: { maxOldGenerationSizeMb: 1_024 },
  });
  async function ask<A>(
    name: keyof Planner,
    question: { readonly policy: Policy } | SizingQuestion | LeaseQuestion,
    instead: string,
    deadlineMillis = DEADLINE_MILLIS,
  ): Promise<A> {
    if (pool.queueSize >= MOST_WAITING)
      throw new SluiceError('unavailable', 'Too many ask for a plan at once.');
    const deadline = AbortSignal.timeout(deadlineMillis);
    try {
      const sent = 'policy' in question ? { ...question, policy: policyData(question.policy) } : question;
      const answer: A | Broken = await pool.run(sent, { name, signal: deadline });
      if (!isBroken(answer)) return answer;
      throw new PolicyBroken(answer.policyBroken);
    } catch (error) {
      if (!deadline.aborted) throw error;
      // Not to be tried again by itself: it would take as long.
      throw new SluiceError(
        'conflict',
        `No answer was found in ${deadlineMillis / 1_000} s: ask again when less is asked, or ${instead}.`,
      );
    }
  }
  return {
    planRebalance: (question) => ask('planRebalance', question, 'for fewer moves'),
    placeHarder: (question) => ask('placeHarder', question, 'for less at once', PLACE_MILLIS),
    decideMoves: (question) => ask('decideMoves', question, 'for less at once', MOVES_MILLIS),
    roomForService: (question) => ask('roomForService', question, 'for a smaller service'),
    remediesFor: (question) => ask('remediesFor', question, 'of a smaller service'),
    admission: (question) => ask('admission', question, 'on a smaller site'),
    failover: (question) => ask('failover', question, 'of a smaller site'),
    // To hand a small site over to a thread takes longer than that.
    planLease: async (question) =>
      takesLong(question) ? ask('planLease', inBrief(question), 'for less') : planLease(question),
    sizing: (question) => ask('sizing', question, 'of fewer VEEs'),
  };
}

const isBroken = (answer: unknown): answer is Broken =>
  typeof answer === 'object' && answer !== null && 'policyBroken' in answer;
