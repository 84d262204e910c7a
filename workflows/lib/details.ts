import type { OperationInput, OperationProgress } from '../../domain/operation/operation';

/** What Temporal's UI shows of a running operation: what it is, whose, how far, and why it waits. */
export function describeProgress(input: OperationInput, progress: OperationProgress): string {
  const { veeId, serviceId, tenantId, hostId, siteId } = input;
  const vee = veeId ? `VEE \`${veeId}\` of ` : '';
  const target = serviceId
    ? `${vee}service \`${serviceId}\` for tenant \`${tenantId}\``
    : hostId
      ? `host \`${hostId}\``
      : `site \`${siteId}\``;
  const lines = [
    `**${input.kind}** of ${target}`,
    `State **${progress.state}**, step ${progress.done} of ${progress.total}.`,
  ];
  const current = progress.steps.filter((s) => s.state === 'running' || s.state === 'undoing').slice(0, 5);
  if (current.length > 0) lines.push(`Under way: ${current.map((s) => s.name).join(', ')}`);
  if (progress.stuck)
    lines.push(
      `**Waits for an operator** at \`${progress.stuck.step}\` (${progress.stuck.direction}): ${progress.stuck.error.detail} ` +
        'Send update `resolve` with "retry" or "abort".',
    );
  if (progress.error) lines.push(`Failed with \`${progress.error.code}\`: ${progress.error.detail}`);
  return lines.join('\n\n');
}
