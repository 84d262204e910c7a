import { join } from 'node:path';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { type Parameters, type Placing, PolicyBroken, type RankedHost } from '../../domain/placement/policy';
import { type Description, mostWait, type Question, type Reply, SIGNAL_BYTES, type Timed } from './protocol';

/** A process has to begin, and the machine may be busy. */
const LOAD_MILLIS = 5_000;

/**
 * A policy that somebody else wrote, in a process of its own (docs/adr/0016-plug-ins-in-processes.md). A planner can't wait, so
 * it is asked as if it were a function: who asks sleeps until it answers, or its time is over. One that breaks stays broken.
 */
export class Plugin {
  private readonly between: Worker;
  private readonly port;
  private readonly answered = new Int32Array(new SharedArrayBuffer(SIGNAL_BYTES));
  private known: Description | undefined;

  constructor(file: string) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.between = new Worker(join(__dirname, 'between-thread.js'), {
      workerData: { file, port: port2, signal: this.answered.buffer },
      transferList: [port2],
      execArgv: [],
    });
    this.between.unref();
    this.port.unref();
  }

  /** @throws PolicyBroken */
  describe(): Description {
    if (this.known) return this.known;
    const reply = this.ask({ ask: 'describe' }, LOAD_MILLIS);
    if (reply.kind !== 'description') throw new PolicyBroken('it gave no description');
    this.known = reply.description;
    return reply.description;
  }

  /**
   * @param millis how long it may take
   * @returns the scores, and how long it took
   * @throws PolicyBroken
   */
  scores(placing: Placing, hosts: readonly RankedHost[], parameters: Parameters, millis: number) {
    this.describe();
    // Getters don't travel.
    const told = hosts.map((h) => ({ ...h }));
    const reply = this.ask({ ask: 'score', placing, hosts: told, parameters }, Math.max(0, millis));
    if (reply.kind !== 'scores' || reply.scores.length !== hosts.length)
      throw new PolicyBroken('it gave no scores');
    return reply;
  }

  end(): void {
    this.port.close();
  }

  private ask(question: Question, millis: number): Reply {
    const before = Atomics.load(this.answered, 0);
    this.port.postMessage({ question, millis } satisfies Timed);
    // The thread between answers in any case; only were the machine to stand still would it be late.
    if (Atomics.wait(this.answered, 0, before, 2 * mostWait(millis)) === 'timed-out')
      throw new PolicyBroken(`it did not answer within ${millis} ms`);
    const reply = receiveMessageOnPort(this.port)?.message as Reply | undefined;
    if (!reply) throw new PolicyBroken('it gave no answer');
    if (reply.kind === 'broken') throw new PolicyBroken(reply.because);
    return reply;
  }
}
