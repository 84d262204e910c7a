import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Counts } from './counts';
import { planSteps, type Step } from './plan';
import { KINDS, type RunOptions, type RunResult, run } from './run';
import { shrink } from './shrink';

const USAGE = `npm run chaos -- [--seed S] [--steps N] [--hosts 30] [--agents 3] [--settle-every 40]
                 [--trace FILE] [--replay FILE] [--shrink RUNS] [--json]

Makes N steps that the seed decides, operations and faults, on simulated hosts; after each few it heals every
fault and checks that all is as it must be. Ends with 1 at the first violation: with its seed, its step, a trace
that --replay makes again, and a shorter list of steps that fails too, if one is found within --shrink runs (10).`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      steps: { type: 'string', default: '500' },
      hosts: { type: 'string', default: '30' },
      agents: { type: 'string', default: '3' },
      'settle-every': { type: 'string', default: '40' },
      trace: { type: 'string' },
      replay: { type: 'string' },
      shrink: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const seed = count('seed', values.seed);
  const steps = values.replay
    ? await readSteps(values.replay)
    : planSteps(seed, count('steps', values.steps), KINDS);
  const options = {
    hosts: count('hosts', values.hosts),
    agents: count('agents', values.agents),
    settleEvery: count('settle-every', values['settle-every']),
  };
  const tracePath = values.trace ?? join(tmpdir(), `sluice-chaos-${seed}-${process.pid}.jsonl`);
  const counts = new Counts();
  tell(`seed ${seed}, ${steps.length} steps on ${options.hosts} hosts; trace in ${tracePath}`);
  const evidence = `${tracePath}.evidence`;
  const result = await traced({ ...options, steps, evidence }, tracePath, counts);
  const summary = { seed, ...options, steps: steps.length, ...result, ...counts.told(), trace: tracePath };
  if (values.json) console.log(JSON.stringify(summary));
  else console.log(counts.table(result));
  if (result.violations.length === 0) return 0;

  tell(`\nseed ${seed}, within the ${options.settleEvery} steps before step ${result.done}:`);
  for (const violation of result.violations) tell(`  ${violation}`);
  tell(`logs, records and histories: ${evidence}`);
  const mostRuns = count('shrink', values.shrink);
  if (mostRuns > 0) await shorten({ ...options, steps: steps.slice(0, result.done) }, mostRuns, tracePath);
  tell(`again: npm run chaos -- --replay ${tracePath}`);
  return 1;
}

/** Runs with a line in the trace for everything that is done, and a line on standard error at each settle. */
async function traced(options: RunOptions, path: string, counts: Counts): Promise<RunResult> {
  const trace = createWriteStream(path);
  const began = Date.now();
  const write = (entry: object) => trace.write(`${JSON.stringify({ at: Date.now() - began, ...entry })}\n`);
  try {
    return await run({
      ...options,
      onStep: (step, did) => {
        counts.step(step, did);
        write({ step, did });
      },
      onSettled: (after, settled) => {
        counts.settled(settled);
        write({ settled });
        const wrong = settled.violations.length > 0 ? `, ${settled.violations.length} VIOLATIONS` : '';
        tell(
          `${Math.round((Date.now() - began) / 1_000)} s: ${after} of ${options.steps.length} steps, ` +
            `${settled.operations.length} operations ended, settled in ${settled.millis} ms${wrong}`,
        );
      },
    });
  } finally {
    await new Promise((resolve) => trace.end(resolve));
  }
}

async function shorten(options: RunOptions, mostRuns: number, tracePath: string): Promise<void> {
  tell(`looking for a shorter list, ${mostRuns} runs at most`);
  const { items, runs, reproduced } = await shrink(
    options.steps,
    async (steps) => {
      const { violations, done } = await run({ ...options, steps });
      tell(`  ${steps.length} steps: ${violations.length > 0 ? `fails at ${done}` : 'all is well'}`);
      return violations.length > 0;
    },
    mostRuns,
  );
  if (!reproduced) return tell(`not seen again in ${runs} runs: a race; the trace has what happened when`);
  const path = tracePath.replace(/(\.jsonl)?$/, '.shrunk.jsonl');
  const file = createWriteStream(path);
  for (const step of items) file.write(`${JSON.stringify({ step })}\n`);
  await new Promise((resolve) => file.end(resolve));
  tell(`${items.length} of ${options.steps.length} steps fail too: npm run chaos -- --replay ${path}`);
}

async function readSteps(path: string): Promise<Step[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((l) => l !== '');
  return lines.map((l) => JSON.parse(l).step as Step | undefined).filter((s) => s !== undefined);
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} takes a whole number, not "${text}"`);
  return value;
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(error);
    process.exit(2);
  },
);
