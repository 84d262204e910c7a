import Table from 'cli-table3';
import type { OperationView, TransferView } from './client';
import type { Namer, Subject } from './names';

/** Plain columns: they paste into a mail and pipe into `awk`. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  if (rows.length === 0) return '(none)';
  const none = Object.fromEntries(
    [
      'top',
      'top-mid',
      'top-left',
      'top-right',
      'bottom',
      'bottom-mid',
      'bottom-left',
      'bottom-right',
      'left',
      'left-mid',
      'mid',
      'mid-mid',
      'right',
      'right-mid',
      'middle',
    ].map((k) => [k, k === 'middle' ? '  ' : '']),
  );
  const t = new Table({
    head: head.map((h) => h.toUpperCase()),
    chars: none,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  t.push(...rows.map((r) => r.map(String)));
  return t.toString().replaceAll(/[ \t]+$/gm, '');
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export const parametersText = (parameters: Readonly<Record<string, number>> = {}): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

export function ago(at: number): string {
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1_000));
  if (seconds < 120) return `${seconds}s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)}m` : `${Math.round(seconds / 3_600)}h`;
}

export const seconds = (millis: number) => `${(millis / 1_000).toFixed(millis < 10_000 ? 2 : 1)} s`;

/** One line for each step as it ends: readable on a terminal and in a log alike. */
const mib = (bytes: number) => `${Math.round(bytes / 1_048_576)} MiB`;
const ESCALATED: Readonly<Record<string, string>> = {
  throttle: ', slowed down',
  still: ', stilled until it is there',
};

export function describeTransfer(t: TransferView): string {
  const dirty = t.dirtyBytesPerSecond ? `, it writes ${mib(t.dirtyBytesPerSecond)}/s` : '';
  const left = t.remainingMillis === undefined ? '' : `, about ${seconds(t.remainingMillis)} left`;
  const how = ESCALATED[t.escalation ?? ''] ?? '';
  return `${t.veeId}: ${t.phase}, ${mib(t.sentBytes)} sent, ${mib(t.remainingBytes)} to go at ${mib(t.bytesPerSecond)}/s${dirty}${left}${how}`;
}

export function stepPrinter(write: (line: string) => void): (operation: OperationView) => void {
  const told = new Map<string, string>();
  return (operation) => {
    for (const transfer of operation.transfers ?? []) {
      const line = describeTransfer(transfer);
      if (told.get(transfer.veeId) !== line) write(`  … ${line}`);
      told.set(transfer.veeId, line);
    }
    for (const [i, step] of operation.steps.entries()) {
      const key = `${i}:${step.name}`;
      if (step.state === 'running' || step.state === 'undoing' || told.get(key) === step.state) continue;
      told.set(key, step.state);
      const timed = step.endedAt !== undefined && (step.state === 'done' || step.state === 'failed');
      const took = !timed ? '' : ` (${seconds((step.endedAt ?? 0) - step.startedAt)})`;
      const why = step.error ? `: ${step.error.detail}` : '';
      const { done, total } = operation.progress;
      write(
        `  [${String(Math.min(done, total)).padStart(String(total).length)}/${total}] ${step.name} ${step.state}${took}${why}`,
      );
    }
  };
}

export function describeEnd(operation: OperationView): string {
  const took = seconds((operation.endedAt ?? Date.now()) - operation.createdAt);
  if (operation.state === 'stuck' && operation.stuck && operation.endedAt === undefined)
    return [
      `${operation.kind} ${operation.id} is stuck at "${operation.stuck.step}" (${operation.stuck.direction}): ${operation.stuck.error.detail}`,
      `  sluice operation retry ${operation.id}    try the step again`,
      `  sluice operation abort ${operation.id}    give it up`,
    ].join('\n');
  if (operation.state === 'stuck' && operation.stuck?.choices.length === 0)
    return [
      `${operation.kind} ${operation.id} failed in part after ${took}; what it had done is kept, as the manifest says:`,
      ...(operation.notes ?? []).map((n) => `  ${n.about}: ${n.error.detail}`),
    ].join('\n');
  return `${operation.kind} ${operation.id} ${operation.state} after ${took}${whyOf(operation)}`;
}

/** The line of the step that failed has said it in full. */
function whyOf({ error, steps }: OperationView): string {
  if (!error) return '';
  const step = steps.find((s) => s.state === 'failed' && s.error?.detail === error.detail);
  return step ? `: ${step.name} failed, as said above` : `: ${error.detail}`;
}

const MOST_NAMED = 10;

/** Of an operation that is undone: the operations that it had asked for and that stay completed, in a line. */
export function describeKept(
  parts: readonly (Pick<OperationView, 'id' | 'kind'> & Subject)[],
  namer: Namer,
): string[] {
  if (parts.length === 0) return [];
  const named = parts.slice(0, MOST_NAMED).map((p) => `${p.kind} ${namer.subject(p)} (${p.id})`);
  const more = parts.length - named.length;
  const stay = parts.length === 1 ? 'stays' : 'stay';
  return [
    `  ${parts.length} of its parts had completed and ${stay} so: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
  ];
}
