import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import { GOALS, type RankedHost } from '../../domain/placement/policy';
import type { Question, Reply } from './protocol';

/** What a plug-in has to export: docs/guides/write-a-policy.md. */
const pluginSchema = z.object({
  takes: z.string().min(1).max(80),
  goal: z.enum(GOALS).default('even'),
  parameters: z.record(z.string().regex(/^[a-z][a-zA-Z0-9]{0,39}$/), z.number()).default({}),
  score: z.custom<(question: unknown) => unknown>((f) => typeof f === 'function', 'has to be a function'),
});

const file = process.argv[2] ?? '';
let plugin: z.output<typeof pluginSchema> | undefined;

// One that loops would not notice that nobody asks any more.
new Worker(join(__dirname, 'orphan-watch-thread.js')).unref();
process.on('disconnect', () => process.exit());
process.on('message', (question: Question) => {
  let reply: Reply;
  try {
    reply = answer(question);
  } catch (error) {
    reply = { kind: 'broken', because: said(error) };
  }
  process.send?.(reply);
});

function answer(question: Question): Reply {
  plugin ??= load();
  if (question.ask === 'describe') {
    const { takes, goal, parameters } = plugin;
    return { kind: 'description', description: { takes, goal, parameters } };
  }
  const { placing, hosts, parameters } = question;
  const before = process.cpuUsage();
  const scores = hosts.map((host) => scoreOf(plugin?.score({ host, placing, parameters }), host));
  const { user, system } = process.cpuUsage(before);
  return { kind: 'scores', scores, millis: (user + system) / 1_000 };
}

function load() {
  let exported: unknown;
  try {
    exported = require(file);
  } catch (error) {
    throw new Error(`it can't be loaded: ${said(error)}`);
  }
  const found = (exported as { default?: unknown } | undefined)?.default ?? exported;
  const parsed = pluginSchema.safeParse(found);
  if (parsed.success) return parsed.data;
  throw new Error(
    parsed.error.issues.map((i) => `${i.path.join('.') || 'what it exports'}: ${i.message}`).join('; '),
  );
}

function scoreOf(score: unknown, { id }: RankedHost): number {
  if (typeof score === 'number' && Number.isFinite(score)) return score;
  const told = typeof score === 'number' ? String(score) : score === null ? 'null' : typeof score;
  throw new Error(`its score of host ${id} is ${told}, and has to be a finite number`);
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Error' ? error.message : `${error.name}: ${error.message}`;
}
