import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import { MOST_PARAMETERS, PLUGIN_GOALS } from '../../domain/placement/policy';
import { solutionOf } from './algorithm-answer';
import { type Asked, inShort, type KnownHost, type Question, type Reply, wrongIn } from './protocol';

/** What a plug-in has to export: docs/guides/write-a-policy.md. */
const pluginSchema = z.strictObject({
  takes: z.string().min(1).max(80),
  goal: z.enum(PLUGIN_GOALS).default('none'),
  parameters: z
    .record(z.string().regex(/^[a-z][a-zA-Z0-9]{0,39}$/), z.number())
    .refine((p) => Object.keys(p).length <= MOST_PARAMETERS, `at most ${MOST_PARAMETERS}`)
    .default({}),
  score: z.custom<(question: unknown) => unknown>((f) => typeof f === 'function', 'has to be a function'),
});

/** Beyond it is no order any more, but rounding. */
const MOST_SCORE = 1e9;

const [, , file = '', sha256 = ''] = process.argv;
let exported: { readonly found: unknown } | undefined;
let plugin: z.output<typeof pluginSchema> | undefined;
let known: KnownHost[] = [];

// While a question is answered, when it has to be: by the clock, in milliseconds since 1970.
const due = new Float64Array(new SharedArrayBuffer(8));
new Worker(join(__dirname, 'self-watch-thread.js'), { workerData: { due } }).unref();
// Who stops a whole site by signals stops us by taking our parent away.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', ({ question, wallMillis }: Asked) => {
  due[0] = Date.now() + wallMillis;
  let reply: Reply;
  try {
    reply = answer(question);
  } catch (error) {
    reply = { kind: 'broken', because: said(error) };
  }
  due[0] = 0;
  process.send?.(reply);
});

function answer(question: Question): Reply {
  exported ??= { found: load() };
  if (question.ask === 'solve') return solutionOf(exported.found, question);
  plugin ??= asPolicy(exported.found);
  if (question.ask === 'describe') {
    const { takes, goal, parameters } = plugin;
    return { kind: 'description', description: { takes, goal, parameters } };
  }
  const before = process.cpuUsage();
  const scores = scoresOf(question);
  const { user, system } = process.cpuUsage(before);
  return { kind: 'scores', scores, cpuMillis: (user + system) / 1_000 };
}

function scoresOf(question: Extract<Question, { ask: 'score' }>): Float64Array {
  const { placing, parameters, anew, fresh, hosts, reserved, devices, measured, sameService } = question;
  if (anew) known = [];
  for (const host of fresh) known.push(frozen(host));
  const scores = new Float64Array(hosts.length);
  for (const [i, number] of hosts.entries()) {
    const [cpuMillis = 0, memoryMiB = 0, diskMiB = 0, bandwidthKbps = 0] = reserved.subarray(4 * i);
    const [usedMillis = Number.NaN, usedMiB = 0] = measured.subarray(2 * i);
    const [onHost = 0, inZone = 0, inSite = 0] = sameService.subarray(3 * i);
    const host = {
      ...known[number],
      reserved: {
        ...{ cpuMillis, memoryMiB, diskMiB, bandwidthKbps },
        ...(devices?.[i] ? { devices: devices[i] } : {}),
      },
      ...(Number.isNaN(usedMillis) ? {} : { measured: { cpuMillis: usedMillis, memoryMiB: usedMiB } }),
      sameService: { onHost, inZone, inSite },
    };
    scores[i] = checked(plugin?.score({ host, placing, parameters }), host.id ?? '');
  }
  return scores;
}

/** One question must not change what the next one sees. */
function frozen(host: KnownHost): KnownHost {
  Object.freeze(host.labels);
  Object.freeze(host.capacity);
  Object.freeze(host.price);
  Object.freeze(host.power);
  return host;
}

function load(): unknown {
  let loaded: unknown;
  try {
    loaded = require(file);
  } catch (error) {
    throw new Error(`it can't be loaded: ${said(error)}`);
  }
  if (createHash('sha256').update(readFileSync(file)).digest('hex') !== sha256)
    throw new Error('its file has changed while it was loaded');
  return (loaded as { default?: unknown } | undefined)?.default ?? loaded;
}

function asPolicy(found: unknown): z.output<typeof pluginSchema> {
  const parsed = pluginSchema.safeParse(found);
  if (parsed.success) return parsed.data;
  throw new Error(wrongIn(parsed.error));
}

function checked(score: unknown, hostId: string): number {
  if (typeof score === 'number' && Math.abs(score) <= MOST_SCORE) return score;
  const told = typeof score === 'number' ? String(score) : score === null ? 'null' : typeof score;
  throw new Error(`its score of host ${hostId} is ${told}, and has to be a number from -1e9 to 1e9`);
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return inShort(String(error));
  const told = inShort(error.name === 'Error' ? error.message : `${error.name}: ${error.message}`);
  const at = String(error.stack).split(`${file}:`)[1];
  return at ? `${told} (line ${Number.parseInt(at, 10)})` : told;
}
