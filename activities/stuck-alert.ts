import type { ProgressReport } from '../store/operations';
import type { SiteDeps } from './deps';

/**
 * Raises an alert when an operation comes to wait for a person, or ends with less than was asked for. It is written
 * before the report that tells of it, under that report's number: so a report that is made again raises no second one,
 * and none is missing.
 */
export async function alertIfStuck(
  { store, now }: Pick<SiteDeps, 'store' | 'now'>,
  { operationId, revision, progress }: ProgressReport,
): Promise<void> {
  const { stuck } = progress;
  if (!stuck) return;
  const operation = await store.operations.get(operationId);
  if (!operation) return;
  if (operation.stuck?.step === stuck.step && operation.stuck.direction === stuck.direction) return;
  const { kind, tenantId, serviceId, hostId, siteId } = operation;
  const way = stuck.direction === 'undo' ? 'taking back' : 'at';
  const choices = stuck.choices.length > 0 ? ` Choices: ${stuck.choices.join(', ')}.` : '';
  await store.events.append({
    id: `${operationId}/stuck/${revision}`,
    at: now(),
    kind: 'operation.stuck',
    alert: true,
    message: `${kind} is stuck ${way} ${stuck.step}: ${stuck.error.detail}${choices}`,
    subject: serviceId ?? hostId ?? siteId ?? operationId,
    operationId,
    ...(tenantId ? { tenantId } : {}),
    ...(serviceId ? { serviceId } : {}),
  });
}
