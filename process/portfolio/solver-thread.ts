import { workerData } from 'node:worker_threads';
import { reaches } from '../../domain/placement/optimize/portfolio';
import { search } from '../../domain/placement/optimize/search';
import { type Answer, answerOf } from '../../domain/placement/optimize/solver';
import { solveByCbc } from './cbc';
import { solveByHighs } from './highs';
import { Proof, type Task } from './task';

const { problem, entrant, from, bound, due, port, signal, proof } = workerData as Task;
const proven = new Proof(proof);

async function solve(): Promise<Answer> {
  if (entrant.kind === 'search') {
    const { name, seed, steps, looks } = entrant;
    const enough = (cost: number) => reaches(cost, proven.bound);
    const stop = (cost: number) => enough(cost) || Date.now() >= due;
    const found = search(problem, seed, { steps, looks, bound, stop });
    const { cut, ...answer } = answerOf(name, found);
    // One that has what nobody can better has not been cut short.
    return cut && !enough(found.cost) ? { ...answer, cut } : answer;
  }
  const limits = { millis: Math.max(1, due - Date.now()), nodes: entrant.nodes };
  const exact =
    entrant.kind === 'command'
      ? await solveByCbc(entrant.program, problem, limits, from, notNeeded())
      : await solveByHighs(problem, limits, from);
  return {
    solver: entrant.name,
    ...(exact.placement ? { placement: exact.placement } : {}),
    bound: exact.infeasible ? Infinity : exact.bound,
    ...(exact.infeasible ? { because: 'there is no placement' } : {}),
    ...(exact.timedOut ? { cut: true } : {}),
  };
}

/** Set off when the one who asked has closed the way to it: what runs in a process is to be ended then, which no thread's end does. */
function notNeeded(): AbortSignal {
  const over = new AbortController();
  port.once('close', () => over.abort());
  port.ref();
  return over.signal;
}

/** Answers in any case: nobody hears of it otherwise while the one who asked sleeps. */
async function main(): Promise<void> {
  const answer = await solve().catch(
    (error: unknown): Answer => ({ solver: entrant.name, because: `it failed: ${String(error)}` }),
  );
  // In this order: who is woken finds it.
  port.postMessage(answer);
  Atomics.add(signal, 0, 1);
  Atomics.notify(signal, 0);
  port.close();
}

main().catch(() => process.exit(1));
