import type { UpReady } from '../commands/up-messages';
import { seconds, table } from '../output';
import type { ScenarioResult } from './scenario';

export function summary(
  { operations, usage, invariants }: ScenarioResult,
  { apiUrl, temporalUi }: UpReady,
): string {
  const steps = operations.flatMap((o) => [
    [o.kind, o.id, o.state, `${o.ms}`],
    ...o.steps.map((s) => [`  ${s.name}`, '', '', `${s.ms}`]),
  ]);
  const used = usage.map((u) => [
    `${u.component}/${u.index}`,
    u.veeId,
    seconds(u.activeMillis),
    u.cpuMillisMilliseconds,
    u.memoryMiBMilliseconds,
    u.hosts.join(' → '),
  ]);
  return [
    '\nWhat ran',
    table(['operation / step', 'id', 'state', 'ms'], steps),
    '\nUsage, metered by VEE through scaling, migration and the crash',
    table(['component', 'vee', 'active', 'cpuMillis·ms', 'memoryMiB·ms', 'hosts'], used),
    `\nInvariants: ${invariants.checked} checked, ${invariants.violations.length} violated${invariants.violations.map((v) => `\n  ${v}`).join('')}`,
    `API docs     ${apiUrl}/docs`,
    ...(temporalUi ? [`Temporal UI  ${temporalUi}`] : []),
  ].join('\n');
}
