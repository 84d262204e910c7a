import type { StoreConnection } from './connect';
import { hostRepository } from './hosts';
import { identityRepository } from './identities';
import { operationRepository } from './operations';
import { blueprintRepository, eventRepository, idempotencyRepository } from './records';
import { serviceRepository } from './services';
import { veeRepository } from './vees';

/** One repository a collection. */
export function createStore({ client, db }: StoreConnection) {
  return {
    hosts: hostRepository(db),
    vees: veeRepository(client, db),
    services: serviceRepository(client, db),
    operations: operationRepository(db),
    blueprints: blueprintRepository(db),
    events: eventRepository(db),
    idempotency: idempotencyRepository(db),
    identities: identityRepository(db),
    ping: async () => {
      await db.command({ ping: 1 });
    },
  };
}

export type Store = ReturnType<typeof createStore>;
