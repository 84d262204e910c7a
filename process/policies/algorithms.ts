import { type AlgorithmData, solverOf, trialProblem, unplacedTrial } from '../../domain/placement/algorithms';
import { lowerBound } from '../../domain/placement/optimize/bound';
import type { Placement, Problem } from '../../domain/placement/optimize/problem';
import type { Answer } from '../../domain/placement/optimize/solver';
import { faultsOf } from '../../domain/placement/optimize/verify';
import { PolicyBroken } from '../../domain/placement/policy';
import type { Outsider } from '../portfolio/side-by-side';
import { CHANGED, PluginFolder, type Unusable, unavailable } from './folder';
import { type Limits, Plugin, PluginGone } from './plugin';
import { inShort, type Reply } from './protocol';

/** What one may work on a question; less than a portfolio waits, so that it is told what it was. */
const SOLVE_MILLIS = 5_000;
/** Node has to begin, and the module to be loaded. */
const LOAD_MILLIS = 1_000;
/** Between the two limits, so that one that never ends is found out by what it has worked. */
const SLACK_MILLIS = 500;
/** Before the deadline of those who wait for it. */
const MARGIN_MILLIS = 500;

/** Algorithms in a folder, one a file, named as the file is. Each question is put to a process of its own. */
export class AlgorithmPlugins {
  private readonly files: PluginFolder;
  private readonly solveMillis: number;

  constructor(folder: string | undefined, solveMillis = SOLVE_MILLIS) {
    this.files = new PluginFolder(folder, 'algorithm', () => false);
    this.solveMillis = solveMillis;
  }

  get folder(): string | undefined {
    return this.files.path;
  }

  names(): string[] {
    return this.files.names();
  }

  /** Files of the folder that can't be one, and why. */
  unusable(): Unusable[] {
    return this.files.unusable();
  }

  /** Why one that is enabled could not be asked now, as far as its file tells. */
  fault({ name, sha256 }: AlgorithmData): string | undefined {
    return this.files.fault(name, { sha256 });
  }

  /**
   * Loads what is in the file now, and has it solve something small.
   * @throws PolicyBroken when it is none, or what it finds is no placement
   * @throws SluiceError `unavailable`
   */
  async try(name: string): Promise<{ readonly sha256: string; readonly does: string }> {
    const { path, sha256 } = this.files.find(name);
    const plugin = new Plugin(path, sha256);
    const solved = async (problem: Problem, from?: Placement) => {
      const { millis, limits } = this.timeUntil(Infinity);
      const puzzle = { problem, from, bound: lowerBound(problem), millis };
      const reply = await plugin.ask({ ask: 'solve', ...puzzle }, limits);
      if (reply.kind !== 'solved') throw new PolicyBroken('it gave no solution');
      const [fault] = reply.placement ? faultsOf(problem, reply.placement) : [];
      if (fault !== undefined) throw new PolicyBroken(`what it found is no placement: ${fault}`);
      return inShort(reply.does);
    };
    const trial = trialProblem();
    try {
      const does = await solved(trial, trial.start);
      await solved(unplacedTrial(trial));
      return { sha256, does };
    } catch (error) {
      if (error instanceof PluginGone) throw unavailable(`algorithm ${name}`, error);
      throw error;
    } finally {
      plugin.end();
    }
  }

  /** One that takes part in a portfolio. */
  outsider({ name, sha256 }: AlgorithmData): Outsider {
    const solver = solverOf({ name });
    return {
      name: solver,
      begin: (problem, from, due, signal) => {
        let file: { readonly path: string };
        try {
          file = this.unchanged({ name, sha256 });
        } catch (error) {
          return { take: () => brokenBy(solver, error), end: () => undefined };
        }
        const plugin = new Plugin(file.path, sha256, signal);
        const { millis, limits } = this.timeUntil(due);
        const puzzle = { problem, from, bound: lowerBound(problem), millis };
        plugin.begin({ ask: 'solve', ...puzzle }, limits);
        return {
          take: () => {
            const reply = plugin.take();
            return reply && answerOf(solver, reply);
          },
          end: () => plugin.end(),
        };
      },
    };
  }

  /** @throws PolicyBroken @throws SluiceError `unavailable` */
  private unchanged({ name, sha256 }: AlgorithmData): { readonly path: string } {
    const found = this.files.find(name);
    if (found.sha256 !== sha256) throw new PolicyBroken(CHANGED);
    return found;
  }

  /** How long it is told that it may work, which it has the time for, and what ends it when it works for longer. */
  private timeUntil(due: number): { readonly millis: number; readonly limits: Limits } {
    const left = due - Date.now() - MARGIN_MILLIS;
    const millis = Math.max(1, Math.min(this.solveMillis, left - LOAD_MILLIS - SLACK_MILLIS));
    const cpuMillis = millis + LOAD_MILLIS;
    const tooLong = `it took more than ${millis} ms for one answer`;
    if (left >= 2 * cpuMillis) return { millis, limits: { cpuMillis, wallMillis: 2 * cpuMillis, tooLong } };
    return { millis, limits: { cpuMillis, wallMillis: Math.max(1, left), tooLong, isPressed: true } };
  }
}

function answerOf(solver: string, reply: Reply): Answer {
  switch (reply.kind) {
    case 'solved':
      return { solver, ...(reply.placement ? { placement: reply.placement } : { because: 'it found none' }) };
    case 'broken':
      return { solver, because: reply.because, broken: true };
    case 'gone':
      // Nobody knows that this was its fault.
      return { solver, because: reply.because, ...(reply.isLate ? { cut: true } : {}) };
    default:
      return { solver, because: 'it gave no solution', broken: true };
  }
}

const brokenBy = (solver: string, error: unknown): Answer => ({
  solver,
  because: error instanceof Error ? error.message : String(error),
  ...(error instanceof PolicyBroken ? { broken: true } : {}),
});
