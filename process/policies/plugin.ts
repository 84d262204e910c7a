import { once } from 'node:events';
import { join } from 'node:path';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { economyOf } from '../../domain/cost/host-economy';
import { type Parameters, type Placing, PolicyBroken, type RankedHost } from '../../domain/placement/policy';
import { DIMENSIONS } from '../../domain/units';
import {
  type Description,
  type KnownHost,
  type Question,
  type Reply,
  SIGNAL_BYTES,
  type Timed,
} from './protocol';

/** A process has to begin, and the machine may be busy. */
const LOAD = { cpuMillis: 5_000, wallMillis: 20_000, tooLong: 'it was not loaded within 5000 ms' };
/** The thread between answers in time; only a machine that stands still makes it late. */
const GRACE_MILLIS = 5_000;

/** Its process has ended, and nothing says that this was its own fault: to be tried again with a new one. */
export class PluginGone extends Error {
  override readonly name = 'PluginGone';
  /** We have ended it ourselves, while somebody asked: nothing is wrong with it. */
  readonly ours: boolean;

  constructor(why: string, ours = false) {
    super(why);
    this.ours = ours;
  }
}

/** What one question may take. */
export type Limits = Omit<Timed, 'question'>;

/** One decision, and what of its hosts was told already. */
export class Decision {
  readonly numbers = new Map<string, number>();
}

/**
 * A policy that somebody else wrote, in a process of its own (docs/adr/0016-plug-ins-in-processes.md). A planner can't wait, so
 * it is asked as if it were a function: who asks sleeps until it answers, or its time is over. One that breaks stays broken.
 */
export class Plugin {
  private readonly between: Worker;
  private readonly port;
  private readonly answered: Int32Array<SharedArrayBuffer>;
  private readonly gone: Promise<string>;
  private known: Promise<Description> | undefined;
  private decision: Decision | undefined;
  private ended = false;

  /**
   * @param sha256 of its file: it is not to run if that has become another one meanwhile
   * @param answered counts its answers: one's own where others are waited for as well
   */
  constructor(file: string, sha256: string, answered = new Int32Array(new SharedArrayBuffer(SIGNAL_BYTES))) {
    this.answered = answered;
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.between = new Worker(join(__dirname, 'between-thread.js'), {
      workerData: { file, sha256, port: port2, signal: this.answered.buffer },
      transferList: [port2],
      execArgv: [],
    });
    this.gone = new Promise((resolve) => {
      this.between.once('error', (error) => resolve(error.message));
      this.between.once('exit', () => resolve('the thread that asks it has ended'));
    });
    this.between.unref();
    this.port.unref();
  }

  /**
   * Loads it. That takes a while, so nobody sleeps on it.
   * @throws PolicyBroken
   * @throws PluginGone
   */
  describe(): Promise<Description> {
    this.known ??= this.load();
    return this.known;
  }

  /**
   * Of one that is loaded.
   * @returns the scores, and how long it worked for them
   * @throws PolicyBroken
   * @throws PluginGone
   */
  scores(
    decision: Decision,
    placing: Placing,
    hosts: readonly RankedHost[],
    parameters: Parameters,
    limits: Limits,
  ): Extract<Reply, { kind: 'scores' }> {
    // Nobody would answer.
    if (this.ended) throw new PluginGone('it was ended meanwhile', true);
    const anew = decision !== this.decision;
    if (anew) decision.numbers.clear();
    this.decision = decision;
    const reply = this.await(questionOf(decision, anew, placing, hosts, parameters), limits);
    if (reply.kind !== 'scores' || reply.scores.length !== hosts.length)
      throw new PolicyBroken('it gave no scores');
    return reply;
  }

  /** Asks something, for an answer that is taken later. Loading is part of it. */
  begin(question: Question, limits: Limits): void {
    this.port.postMessage({ question, ...limits } satisfies Timed);
  }

  /** The answer, once, if it is there. */
  take(): Reply | undefined {
    return receiveMessageOnPort(this.port)?.message as Reply | undefined;
  }

  /**
   * Asks something, for whoever has other things to do meanwhile.
   * @throws PolicyBroken
   * @throws PluginGone
   */
  async ask(question: Question, limits: Limits): Promise<Reply> {
    this.port.ref();
    try {
      const answer = once(this.port, 'message');
      const end = this.gone.then((why) => {
        throw new PluginGone(why, this.ended);
      });
      this.begin(question, limits);
      const [message] = await Promise.race([answer, end]);
      return said(message as Reply);
    } finally {
      this.port.unref();
    }
  }

  end(): void {
    this.ended = true;
    this.port.close();
  }

  private await(question: Question, limits: Limits): Reply {
    let seen = Atomics.load(this.answered, 0);
    this.begin(question, limits);
    for (;;) {
      const received = receiveMessageOnPort(this.port);
      if (received) return said(received.message as Reply);
      // It may count an answer that somebody has taken already: then there is no message.
      if (Atomics.wait(this.answered, 0, seen, limits.wallMillis + GRACE_MILLIS) === 'timed-out')
        throw new PluginGone('the thread that asks it stands still');
      seen = Atomics.load(this.answered, 0);
    }
  }

  private async load(): Promise<Description> {
    const reply = await this.ask({ ask: 'describe' }, LOAD);
    if (reply.kind !== 'description') throw new PolicyBroken('it gave no description');
    return reply.description;
  }
}

function said(reply: Reply): Reply {
  if (reply.kind === 'broken') throw new PolicyBroken(reply.because);
  if (reply.kind === 'gone') throw new PluginGone(reply.because);
  return reply;
}

/** Numbers in flat arrays: a planner asks once for each VEE, and of ten thousand hosts only few have changed. */
function questionOf(
  { numbers }: Decision,
  anew: boolean,
  placing: Placing,
  hosts: readonly RankedHost[],
  parameters: Parameters,
): Question {
  const fresh: KnownHost[] = [];
  const reserved = new Float64Array(4 * hosts.length);
  const measured = new Float64Array(2 * hosts.length).fill(Number.NaN);
  const sameService = new Int32Array(3 * hosts.length);
  const asked = Int32Array.from(hosts, (host, i) => {
    for (const [d, name] of DIMENSIONS.entries()) reserved[4 * i + d] = host.reserved[name];
    if (host.measured) measured.set([host.measured.cpuMillis, host.measured.memoryMiB], 2 * i);
    const { onHost, inZone, inSite } = host.sameService;
    sameService.set([onHost, inZone, inSite], 3 * i);
    const known = numbers.get(host.id);
    if (known !== undefined) return known;
    const { id, zone, labels, driver, capacity } = host;
    fresh.push({ id, zone, labels, driver, capacity, ...economyOf(host) });
    numbers.set(id, numbers.size);
    return numbers.size - 1;
  });
  const devices = hosts.some((h) => h.reserved.devices) ? hosts.map((h) => h.reserved.devices) : undefined;
  return {
    ...{ ask: 'score', placing, parameters, anew, fresh, hosts: asked, reserved, measured, sameService },
    ...(devices ? { devices } : {}),
  };
}
