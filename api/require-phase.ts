import { SluiceError } from '../domain/errors';
import { isPassing, type ServicePhase, type ServiceRecord } from '../domain/service/service';
import type { ApiDeps } from './deps';

/**
 * @throws SluiceError `operation-in-progress` when an operation is taking the service through the phase it is in, which
 * it names; `transition-illegal` when the service stays in it
 */
export async function requirePhase(
  { store }: ApiDeps,
  service: ServiceRecord,
  verb: string,
  phases: readonly ServicePhase[],
): Promise<void> {
  const { name, phase } = service;
  if (phases.includes(phase)) return;
  const underWay = isPassing(phase) ? await store.operations.underWay() : [];
  const holder = underWay.find((o) => o.serviceId === service.id && o.startedAt !== undefined);
  if (!holder)
    throw new SluiceError('transition-illegal', `${name} is ${phase}: ${verb} needs ${phases.join(' or ')}.`);
  const what = holder.state === 'stuck' ? 'is stuck; retry or abort it' : 'is under way';
  throw new SluiceError('operation-in-progress', `${name} is ${phase}: ${holder.kind} ${holder.id} ${what}.`);
}
