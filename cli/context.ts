import type { Command } from 'commander';
import { durationText } from '../domain/duration';
import { isErrorCode } from '../domain/errors';
import type { PlanCost } from '../domain/operation/plan-cost';
import type { LoadChange } from '../domain/placement/loads';
import { HOST_WORTH } from '../domain/rebalance/model';
import { ApiClient, type OperationView } from './client';
import { CliError, EXIT, exitCodeOf } from './exit-codes';
import { namerFor } from './names';
import { ago, describeEnd, describeKept, printJson, stepPrinter } from './output';
import { describeMoney, describeSaving, type PricedPlan } from './plan-money';

export interface GlobalOptions {
  readonly json?: boolean;
  readonly dataDir: string;
  readonly url?: string;
  readonly token?: string;
}

export const globals = (command: Command) => command.optsWithGlobals<GlobalOptions>();

export const clientOf = (command: Command) => ApiClient.connect(globals(command));

/** A plan is shown; an operation is followed to its end, unless the caller would rather not wait. */
export async function conclude(
  command: Command,
  client: ApiClient,
  answer: unknown,
  wait: boolean,
): Promise<void> {
  const { json = false } = globals(command);
  if (isPlan(answer)) {
    if (json) printJson(answer);
    else
      console.log(
        [
          `Plan for ${answer.operation} (nothing was changed):`,
          ...(answer.steps.length > 0 || !answer.feasible
            ? answer.steps.map((s) => `  ${s}`)
            : ['  nothing to do']),
          ...(answer.cost && answer.feasible
            ? [describeCost(answer.cost), ...describeMoney(answer.cost)].map((line) => `  ${line}`)
            : []),
          ...(answer.estimatedMillis ? [`  takes about ${durationText(answer.estimatedMillis)}`] : []),
          ...(answer.loads ?? []).slice(0, MOST_LOADS).map((load) => `  ${describeLoad(load)}`),
          ...(answer.searched && !answer.optimality ? [`  ${describeSearched(answer.searched)}`] : []),
          ...(answer.steps.length > 0 ? describeGain(answer).map((line) => `  ${line}`) : []),
          ...(answer.why ? [answer.feasible ? `  ${answer.why}` : `  infeasible: ${answer.why}`] : []),
          ...(answer.remedies ?? []).map((remedy) => `  it would fit ${remedy}`),
        ].join('\n'),
      );
    if (!answer.feasible) throw new CliError('', EXIT.infeasible);
    return;
  }
  const started = answer as OperationView;
  if (!wait) {
    if (json) printJson(started);
    else console.log(`${started.kind} ${started.id} is under way: sluice operation watch ${started.id}`);
    return;
  }
  if (started.endedAt !== undefined && started.state === 'completed') {
    // The very same was asked for before: its operation is the answer, and nothing runs again.
    if (json) printJson(started);
    else console.log(`Unchanged: ${describeEnd(started)}, ${ago(started.endedAt)} ago.`);
    return;
  }
  await watchToEnd(command, client, started);
}

/** @throws CliError with the exit code of how the operation ended, unless it completed */
export async function watchToEnd(command: Command, client: ApiClient, started: OperationView): Promise<void> {
  const { json = false } = globals(command);
  const ended = await followAloud(client, started, json);
  if (json) printJson(ended);
  else console.log([describeEnd(ended), ...notesOf(ended)].join('\n'));
  if (ended.state === 'completed') return;
  if (!json) for (const line of await keptParts(client, ended)) console.log(line);
  const infeasible =
    ended.error && isErrorCode(ended.error.code) && exitCodeOf(ended.error.code) === EXIT.infeasible;
  throw new CliError('', infeasible ? EXIT.infeasible : EXIT.operationFailed);
}

const notesOf = ({ notes = [] }: OperationView) => notes.map((n) => `  left: ${n.about}: ${n.error.detail}`);

/**
 * What has gone back may have asked for operations that were over by then, and its steps say `undone` of those as well:
 * they are left as they ended. A shutdown is another matter: it wakes what it stilled.
 */
async function keptParts(client: ApiClient, { id, kind, state }: OperationView): Promise<string[]> {
  if (state !== 'undone' || kind === 'site.shutdown') return [];
  // How the operation itself ended has been told: that counts, whether or not more can be learnt.
  const parts = await client
    .list<OperationView>('/v1/operations', { parent: id, state: 'completed' })
    .catch((): OperationView[] => []);
  return describeKept(parts.reverse(), await namerFor(client, parts));
}

const STILL_MILLIS = 5_000;

/** Follows an operation and says what it does, also that it still waits for something. */
async function followAloud(
  client: ApiClient,
  started: OperationView,
  quiet: boolean,
): Promise<OperationView> {
  if (quiet) return client.follow(started.id);
  const print = stepPrinter((line) => console.log(line));
  let last = started;
  let spokeAt = Date.now();
  const still = setInterval(() => {
    const waiting = last.steps
      .filter((s) => s.state === 'running' || s.state === 'undoing')
      .map((s) => s.name);
    if (Date.now() - spokeAt >= STILL_MILLIS && waiting.length > 0)
      console.log(`  … still at: ${waiting.slice(0, 4).join(', ')}`);
  }, STILL_MILLIS);
  const leave = () => {
    console.error(`\nIt goes on without you: sluice operation watch ${started.id}, or cancel ${started.id}`);
    process.exit(130);
  };
  process.once('SIGINT', leave);
  try {
    return await client.follow(started.id, (operation) => {
      last = operation;
      spokeAt = Date.now();
      print(operation);
    });
  } finally {
    clearInterval(still);
    process.off('SIGINT', leave);
  }
}

interface Plan extends PricedPlan {
  readonly dryRun: true;
  readonly operation: string;
  readonly feasible: boolean;
  readonly steps: readonly string[];
  readonly why?: string;
  readonly estimatedMillis?: number;
  readonly cost?: PlanCost;
  readonly imbalance?: BeforeAfter;
  readonly hostsInUse?: BeforeAfter;
  readonly remedies?: readonly string[];
  readonly loads?: readonly LoadChange[];
  readonly optimality?: Optimality;
  readonly tookMillis?: number;
  readonly searched?: Optimality['asked'];
}

interface Optimality {
  readonly counts?: 'hosts that come into use' | 'load of the fullest host';
  readonly cost: number;
  readonly bound: number;
  readonly gap: number;
  readonly solver?: string;
  readonly asked?: readonly { readonly solver: string; readonly because?: string; readonly broken?: true }[];
  readonly stoppedBy?: 'deadline';
}

interface BeforeAfter {
  readonly before: number;
  readonly after: number;
}

const percentOf = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Of a large plan so many hosts are told; all of them with `--json`. */
const MOST_LOADS = 20;

function describeLoad({ hostId, before, after }: LoadChange): string {
  return `${hostId} is ${percentOf(before)} full, and ${percentOf(after)} then`;
}

/** What a rebalance would gain, in lines of their own. */
function describeGain(plan: Plan): string[] {
  const { imbalance, hostsInUse, watts, costPerHour, optimality, tookMillis } = plan;
  return [
    ...(imbalance ? [describeImbalance(imbalance)] : []),
    ...(hostsInUse ? [`${hostsInUse.before} hosts are in use, and ${hostsInUse.after} afterwards`] : []),
    ...(watts || costPerHour ? describeSaving(plan) : optimality ? [describeOptimality(optimality)] : []),
    ...(optimality ? [describeSearch(optimality, tookMillis)] : []),
  ];
}

function describeOptimality({ counts, cost, bound, gap }: Optimality): string {
  if (counts) {
    const of = counts === 'load of the fullest host' ? percentOf : String;
    const least = gap === 0 ? 'no placement has less' : `no placement has less than ${of(bound)}`;
    return `${counts}: ${of(cost)}; ${least}`;
  }
  const moves = Math.floor(Math.max(0, cost - bound) * HOST_WORTH);
  if (moves === 0) return 'no plan would be better';
  const worth = `${moves} moves, of which a free host is worth ${HOST_WORTH}`;
  return `no plan would be better by more than ${worth}: a gap of ${(gap * 100).toFixed(1)} %`;
}

/** Who has found it, among whom, and in what time. */
function describeSearch(
  { solver, asked = [], stoppedBy }: Optimality,
  tookMillis: number | undefined,
): string {
  const others = asked.map((a) => a.solver).filter((name) => name !== solver);
  return [
    `found by ${solver ?? 'nobody'}`,
    ...(others.length > 0 ? [`asked besides: ${others.join(', ')}`] : []),
    ...(tookMillis === undefined ? [] : [`in ${(tookMillis / 1_000).toFixed(1)} s`]),
    ...(stoppedBy ? ['ended by the clock: another time it may be another'] : []),
    ...brokenIn(asked),
  ].join('; ');
}

/** Who has looked for room, where nobody knows how good what was found is, or nothing was. */
const describeSearched = (asked: NonNullable<Optimality['asked']>): string =>
  [`room was looked for by ${asked.map((a) => a.solver).join(', ')}`, ...brokenIn(asked)].join('; ');

const brokenIn = (asked: NonNullable<Optimality['asked']>): string[] =>
  asked.flatMap((a) => (a.broken ? [`${a.solver} broke: ${a.because}`] : []));

/** How far loads are from even, in hundredths of a host. */
const describeImbalance = ({ before, after }: BeforeAfter): string =>
  `loads differ by ${(before * 100).toFixed(1)} % of a host, and by ${(after * 100).toFixed(1)} % afterwards`;

/** What it takes, in a line. */
function describeCost({ vees, interrupted, capacity }: PlanCost): string {
  const units: readonly [number, string][] = [
    [capacity.cpuMillis, 'cpuMillis'],
    [capacity.memoryMiB, 'memoryMiB'],
    [capacity.diskMiB, 'diskMiB'],
    [capacity.bandwidthKbps, 'bandwidthKbps'],
    ...Object.entries(capacity.devices ?? {}).map(([name, n]): [number, string] => [n, name]),
  ];
  const held = units.filter(([n]) => n !== 0).map(([n, unit]) => `${n > 0 ? '+' : ''}${n} ${unit}`);
  return [
    `costs: ${vees} VEEs touched, ${interrupted} of them interrupted`,
    held.length > 0 ? `held afterwards: ${held.join(', ')}` : 'holds what it held',
  ].join('; ');
}

function isPlan(answer: unknown): answer is Plan {
  return typeof answer === 'object' && answer !== null && 'dryRun' in answer;
}

export interface ServiceRow {
  readonly id: string;
  readonly name: string;
  readonly tenantId: string;
  readonly phase: string;
}

/**
 * A service by id, as NAME, or as TENANT:NAME where several tenants have the name. With `ended` also one that
 * is over, the latest: its usage and its events are still there.
 */
export async function findService(
  client: ApiClient,
  given: string,
  { ended = false } = {},
): Promise<ServiceRow> {
  if (given.startsWith('svc-')) return client.get<ServiceRow>(`/v1/services/${encodeURIComponent(given)}`);
  const [name = '', tenant] = given.split(':').reverse();
  const named = (await client.list<ServiceRow>('/v1/services', { name })).filter(
    (s) => tenant === undefined || s.tenantId === tenant,
  );
  const living = named.filter((s) => s.phase !== 'decommissioned');
  const [only, second] = living.length > 0 || !ended ? living : named.slice(0, 1);
  if (!only) throw new CliError(`There is no service "${given}".`, EXIT.notFound);
  if (second) {
    const choices = living.map((s) => `${s.tenantId}:${s.name}`).join(', ');
    throw new CliError(`Several tenants have a service "${given}": say which (${choices}).`, EXIT.usage);
  }
  return only;
}

/** A VEE by id, or as SERVICE/COMPONENT/INDEX. */
export async function findVee(client: ApiClient, text: string): Promise<string> {
  if (text.startsWith('vee-')) return text;
  const [serviceName, component, index] = text.split('/');
  if (!serviceName || !component || index === undefined)
    throw new CliError(`"${text}" is neither a VEE's id nor SERVICE/COMPONENT/INDEX.`, EXIT.usage);
  const service = await findService(client, serviceName);
  const vees = await client.list<{ id: string; index: number; state: string }>('/v1/vees', {
    service: service.id,
    component,
  });
  const vee = vees.find((v) => String(v.index) === index && v.state !== 'DESTROYED');
  if (!vee) {
    const living = vees.filter((v) => v.state !== 'DESTROYED').map((v) => `${component}/${v.index}`);
    const those = living.length > 0 ? ` There ${living.length > 1 ? 'are' : 'is'} ${some(living)}.` : '';
    throw new CliError(`${serviceName} has no living ${component}/${index}.${those}`, EXIT.notFound);
  }
  return vee.id;
}

const MOST_NAMED = 10;
const some = (names: readonly string[]): string =>
  names.length > MOST_NAMED
    ? `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more`
    : names.join(', ');
