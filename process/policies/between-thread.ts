import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MessagePort, workerData } from 'node:worker_threads';
import { mostWait, type Reply, type Timed, TRANSPORT_MILLIS } from './protocol';

/** Of JavaScript objects; reaching it ends the process at once. */
const MOST_HEAP_MIB = 64;
/** Of everything: buffers, and Node itself with some 50. */
const MOST_MEMORY_MIB = 256;
const LOOK_MILLIS = 20;
const PAGE_BYTES = 4_096;
const TICK_MILLIS = 10;

const { file, port, signal } = workerData as { file: string; port: MessagePort; signal: SharedArrayBuffer };
const answered = new Int32Array(signal);

const child = fork(join(__dirname, 'plugin-process.js'), [file], {
  // It has no business with our secrets, nor with our log.
  ...{ env: {}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'advanced' },
  execArgv: [`--max-old-space-size=${MOST_HEAP_MIB}`],
});
/** Set once it has ended, or is to. */
let over: string | undefined;
/** While somebody waits. */
let watch: NodeJS.Timeout | undefined;

/** Stands between one who sleeps and a process: relays questions and answers, and ends the process that takes too much. */
port.on('message', ({ question, millis }: Timed) => {
  if (over !== undefined) return answer({ kind: 'broken', because: over });
  const [began, before] = [performance.now(), cpuMillis()];
  watch = setInterval(() => {
    if (memoryMiB() > MOST_MEMORY_MIB) end(`it took more than ${MOST_MEMORY_MIB} MiB of memory`);
    const worked = cpuMillis() - before;
    const waited = performance.now() - began;
    if (worked > millis + TRANSPORT_MILLIS || waited > mostWait(millis))
      end(`it did not answer within ${Math.round(millis)} ms`);
  }, LOOK_MILLIS);
  child.send(question);
});
child.on('message', (reply: Reply) => answer(reply));
child.on('error', (error) => end(`it could not be begun: ${error.message}`));
child.on('exit', (code, killedBy) =>
  end(
    killedBy === 'SIGABRT' || code === 134
      ? `it took more than ${MOST_HEAP_MIB} MiB of memory`
      : `it ended its process (${killedBy ?? `code ${code}`})`,
  ),
);
// Who asked has ended.
port.on('close', () => child.kill('SIGKILL'));

function end(because: string): void {
  over ??= because;
  child.kill('SIGKILL');
  if (watch) answer({ kind: 'broken', because: over });
}

function answer(reply: Reply): void {
  clearInterval(watch);
  watch = undefined;
  // In this order: who is woken finds it.
  port.postMessage(reply);
  Atomics.add(answered, 0, 1);
  Atomics.notify(answered, 0);
}

/** What it has worked so far. A machine that is busy otherwise is not its fault. */
function cpuMillis(): number {
  try {
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    // After the name, which may have any character in it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MILLIS;
  } catch {
    return 0;
  }
}

function memoryMiB(): number {
  try {
    const [, resident] = readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ');
    return (Number(resident) * PAGE_BYTES) / 1_048_576;
  } catch {
    // It has just ended, or this is no Linux: its heap has a limit of its own.
    return 0;
  }
}
