import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { type MendingVerb, STARTING_VERBS } from '../../domain/reconcile/model';
import type { Capacity } from '../../domain/units';
import { awaitReady, onHost, site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { veeIdOf } from '../lib/vee-input';
import { lockVee } from '../lib/vee-transition';

/**
 * Brings a VEE to what is recorded of it, where it is. Its host is asked first: what was found wrong may have
 * passed. There is nothing to undo: half-way is nearer to the record than it was.
 */
export function mendVee(input: OperationInput): Promise<OperationOutcome> {
  const { operationId, timing } = input;
  const veeId = veeIdOf(input);
  return runOperation(input, async (operation) => {
    const { hostId, agentQueue, epoch, template } = await lockVee(operation, veeId, 'mend');
    const call = { hostId, ref: { veeId, epoch } };
    const seen = await operation.step({
      name: 'ask host',
      host: hostId,
      run: () => onHost(agentQueue, timing, 'ask host').inspectVee({ hostId, veeId }),
    });
    const { verb, capacity } = await operation.step({
      name: 'decide',
      run: () => site.planMending({ operationId, veeId, seen }),
    });
    if (verb)
      await operation.step({
        name: verb,
        host: hostId,
        run: () => act(verb, capacity, call, (step) => onHost(agentQueue, timing, step)),
      });
    if (verb && STARTING_VERBS.includes(verb))
      await operation.step({
        name: 'ready',
        host: hostId,
        interruptible: true,
        run: () => awaitReady({ hostId, agentQueue }, call.ref, timing, 'ready', template.readiness),
      });
    await operation.step({
      name: 'conclude',
      run: () => site.concludeMending({ operationId, veeId, ...(verb ? { verb } : {}) }),
    });
  });
}

function act(
  verb: MendingVerb,
  capacity: Capacity,
  call: Parameters<ReturnType<typeof onHost>['startVee']>[0],
  agent: (step: string) => ReturnType<typeof onHost>,
): Promise<void> {
  switch (verb) {
    case 'start':
      return agent(verb).startVee(call);
    case 'switch-over':
      return agent(verb).switchOver(call);
    case 'take-back':
      return agent(verb).cancelMigration({ ...call, side: 'source' });
    case 'resize':
      return agent(verb).resizeVee({ ...call, capacity });
    default:
      return agent(verb).changeVee({ ...call, verb });
  }
}
