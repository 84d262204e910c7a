import { join } from 'node:path';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { Answer } from '../../domain/placement/optimize/solver';
import type { Task } from './task';

const MOST_HEAP_MIB = 512;

/** One that works on an answer elsewhere. */
export interface Runner {
  /** Its answer, once, if it is there. */
  readonly take: () => Answer | undefined;
  readonly end: () => void;
}

/** Begins a solver in a thread of its own. */
export function inThread(task: Omit<Task, 'port'>): Runner {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(join(__dirname, 'solver-thread.js'), {
    ...{ workerData: { ...task, port: port2 } satisfies Task, transferList: [port2], execArgv: [] },
    resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MIB },
  });
  worker.unref();
  // Whoever asked sleeps, and hears of it only as of one that is late.
  worker.on('error', () => undefined);
  return {
    take: () => receiveMessageOnPort(port1)?.message as Answer | undefined,
    end: () => {
      port1.close();
      // It ends its program, and then itself.
      if (task.entrant.kind === 'command') return;
      worker.terminate().catch(() => undefined);
    },
  };
}
