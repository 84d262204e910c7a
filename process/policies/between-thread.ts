import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MessagePort, workerData } from 'node:worker_threads';
import { type Asked, inShort, MOST_MEMORY_MIB, type Reply, type Timed } from './protocol';

/** Of JavaScript objects; reaching it ends the process at once. */
const MOST_HEAP_MIB = 64;
const LOOK_MILLIS = 20;
const LATE = 'its time was over';
/** What a process does to itself; others end it by other signals. */
const CRASHES = new Set(['SIGSEGV', 'SIGILL', 'SIGBUS', 'SIGTRAP', 'SIGFPE']);
/** What the kernel counts processor time in, everywhere. */
const TICK_MILLIS = 10;

const { file, sha256, port, signal } = workerData as {
  file: string;
  sha256: string;
  port: MessagePort;
  signal: SharedArrayBuffer;
};
const answered = new Int32Array(signal);

const child = fork(join(__dirname, 'plugin-process.js'), [file, sha256], {
  // It has no business with our secrets, nor with our log.
  ...{ env: {}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'advanced' },
  execArgv: [`--max-old-space-size=${MOST_HEAP_MIB}`],
});
/** Set once it has ended, or is to. */
let over: Reply | undefined;
/** Of the question that waits for an answer. */
let limits:
  | { readonly cpu: number; readonly wall: number; readonly tooLong: string; readonly isPressed: boolean }
  | undefined;

/** Stands between one who sleeps and a process: relays questions and answers, and ends the process that takes too much. */
port.on('message', ({ question, cpuMillis, wallMillis, tooLong, isPressed = false }: Timed) => {
  if (over) return answer(over);
  limits = { cpu: usedMillis() + cpuMillis, wall: performance.now() + wallMillis, tooLong, isPressed };
  child.send({ question, wallMillis } satisfies Asked);
});
setInterval(look, LOOK_MILLIS);
child.on('message', (reply: Reply) => {
  look();
  if (!over) answer(reply);
});
child.on('error', (error) => end({ kind: 'gone', because: `it could not be begun: ${error.message}` }));
child.on('exit', (code, killedBy) => {
  if (killedBy === 'SIGABRT' || code === 134) end(broken(`it took more than ${MOST_HEAP_MIB} MiB of memory`));
  else if (killedBy && CRASHES.has(killedBy)) end(broken(`it crashed (${killedBy})`));
  else if (killedBy) end({ kind: 'gone', because: `its process was ended by ${killedBy}` });
  else end(broken(`it ended its process (code ${code})`));
});
// Who asked has ended.
port.on('close', () => process.exit());
process.on('exit', () => child.kill('SIGKILL'));

const broken = (because: string): Reply => ({ kind: 'broken', because: inShort(because) });

function look(): void {
  if (over) return;
  if (memoryMiB() > MOST_MEMORY_MIB) end(broken(`it took more than ${MOST_MEMORY_MIB} MiB of memory`));
  else if (limits && usedMillis() > limits.cpu) end(broken(limits.tooLong));
  else if (limits && performance.now() > limits.wall)
    end(limits.isPressed ? { kind: 'gone', because: LATE, isLate: true } : broken(limits.tooLong));
}

function end(why: Reply): void {
  over ??= why;
  child.kill('SIGKILL');
  if (limits) answer(over);
}

function answer(reply: Reply): void {
  limits = undefined;
  // In this order: who is woken finds it.
  port.postMessage(reply);
  Atomics.add(answered, 0, 1);
  Atomics.notify(answered, 0);
}

/** How long processors have worked for it. A machine that is busy otherwise is not its fault. */
function usedMillis(): number {
  try {
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    // After the name, which may have any character in it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MILLIS;
  } catch {
    // It has just ended, or this is no Linux: the clock has to do.
    return 0;
  }
}

function memoryMiB(): number {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1_024;
  } catch {
    return 0;
  }
}
