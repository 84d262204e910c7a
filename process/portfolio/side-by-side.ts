import { availableParallelism } from 'node:os';
import { bestOf, portfolioFor, reaches } from '../../domain/placement/optimize/portfolio';
import type { Placement, Problem } from '../../domain/placement/optimize/problem';
import { search } from '../../domain/placement/optimize/search';
import {
  type Answer,
  answerOf,
  type Quest,
  type Solve,
  type Solved,
} from '../../domain/placement/optimize/solver';
import { inThread, type Runner } from './in-thread';
import { Proof } from './task';

/** A safety net: efforts are counted, and mostly end before. */
const DEADLINE_MILLIS = 12_000;
/** Who does not look at the clock is ended so much later. */
const GRACE_MILLIS = 1_500;

const NOT_NEEDED = 'nothing better was to be found any more';

/** One that is asked beside those that are built in. */
export interface Outsider {
  readonly name: string;
  /** Begins. Its answer is counted in `signal`, once it is there. */
  readonly begin: (
    problem: Problem,
    from: Placement | undefined,
    due: number,
    signal: Int32Array<SharedArrayBuffer>,
  ) => Runner;
}

/**
 * Puts a problem to all solvers that are right for its size, each in a thread of its own, and sleeps until the best answer is
 * known (docs/adr/0021-solvers-side-by-side.md). Not for threads that have anything else to do.
 */
export function sideBySide(options: Options = {}): Solve {
  return (problem, quest) => new Race(problem, quest, options).run();
}

export interface Options {
  /** Where CBC is, to be asked as well; absent where it isn't. */
  readonly cbc?: string | undefined;
  readonly outsiders?: readonly Outsider[];
  readonly deadlineMillis?: number;
  /** Told of each answer when it comes, and between which moments it was looked for, in milliseconds since the question. */
  readonly watch?: (answer: Answer, from: number, to: number) => void;
}

interface Lane {
  readonly solver: string;
  readonly begin: () => Runner;
  /** Works in a process of its own, for which nobody waits in line. */
  readonly isOutside?: true;
  runner?: Runner;
  /** When it began, in milliseconds since the question. */
  began?: number;
  answer?: Answer;
}

class Race {
  private readonly problem: Problem;
  private readonly quest: Quest;
  private readonly options: Options;
  private readonly asked = Date.now();
  private readonly due: number;
  private readonly signal = new Int32Array(new SharedArrayBuffer(4));
  private readonly proof = new Proof();
  /** In order of precedence: of answers that are as good the first one's counts. */
  private readonly lanes: Lane[] = [];
  private looks = 0;

  constructor(problem: Problem, quest: Quest, options: Options) {
    this.problem = problem;
    this.quest = quest;
    this.options = options;
    this.due = this.asked + (options.deadlineMillis ?? DEADLINE_MILLIS);
  }

  run(): Solved {
    const { lanes, problem, quest, due, signal, proof } = this;
    const { opening, entrants } = portfolioFor(problem, quest, this.options.cbc);
    let from: Placement | undefined;
    if (opening) {
      const { name, seed, steps, looks } = opening;
      const found = search(problem, seed, { steps, looks, bound: quest.bound });
      this.looks = found.looks;
      from = found.placement;
      const answer = answerOf(name, found);
      this.options.watch?.(answer, 0, Date.now() - this.asked);
      // What is settled at once is worth no thread.
      if (reaches(found.cost, quest.bound)) return bestOf(problem, quest, [answer], this.looks);
      lanes.push({ solver: name, begin: () => ({ take: () => answer, end: () => undefined }), answer });
    }
    const task = { problem, from, bound: quest.bound, due, signal, proof: proof.buffer };
    for (const entrant of entrants)
      lanes.push({
        solver: entrant.name,
        begin: () => inThread({ ...task, entrant }),
        ...(entrant.kind === 'command' ? { isOutside: true } : {}),
      });
    for (const { name, begin } of this.options.outsiders ?? [])
      lanes.push({ solver: name, isOutside: true, begin: () => begin(problem, from, due, signal) });
    try {
      while (this.goOn());
    } finally {
      for (const { runner } of lanes) runner?.end();
    }
    const answers = lanes.flatMap((l) => l.answer ?? []);
    return bestOf(problem, quest, answers, this.looks);
  }

  /** Begins what can be begun, takes what has come, or sleeps until something does. @returns whether any is left */
  private goOn(): boolean {
    const open = this.lanes.filter((l) => !l.answer);
    if (open.length === 0) return false;
    const ours = open.filter((l) => !l.isOutside).slice(0, Math.max(2, availableParallelism()));
    for (const lane of [...open.filter((l) => l.isOutside), ...ours]) {
      lane.began ??= Date.now() - this.asked;
      lane.runner ??= lane.begin();
    }
    const seen = Atomics.load(this.signal, 0);
    for (const lane of open) {
      const answer = lane.runner?.take();
      if (!answer) continue;
      this.options.watch?.(answer, lane.began ?? 0, Date.now() - this.asked);
      this.close(lane, answer);
      this.dropBeaten(answer);
      return true;
    }
    const left = this.due + GRACE_MILLIS - Date.now();
    if (left > 0) Atomics.wait(this.signal, 0, seen, left);
    else
      for (const lane of open)
        this.close(lane, { solver: lane.solver, because: 'its time was over', cut: true });
    return true;
  }

  private close(lane: Lane, answer: Answer): void {
    lane.runner?.end();
    lane.answer = answer;
  }

  /** Ends those that can't win any more. */
  private dropBeaten(answer: Answer): void {
    const { bound } = answer;
    const cost = this.costOf(answer);
    // What it has found is the cheapest of all, as it has proven: the others need find no cheaper one.
    if (bound !== undefined && reaches(cost, bound)) this.proof.publish(cost);
    const least = Math.max(this.quest.bound, this.proof.bound);
    const first =
      bound === Infinity
        ? -1
        : this.lanes.findIndex((l) => l.answer && reaches(this.costOf(l.answer), least));
    if (first < 0 && bound !== Infinity) return;
    for (const lane of this.lanes.slice(first + 1))
      if (!lane.answer) this.close(lane, { solver: lane.solver, because: NOT_NEEDED });
  }

  private costOf(answer: Answer): number {
    return bestOf(this.problem, this.quest, [answer]).cost;
  }
}
