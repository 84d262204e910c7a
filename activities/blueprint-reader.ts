import { SluiceError } from '../domain/errors';
import type { BlueprintId, OperationId } from '../domain/ids';
import { templateOf } from '../domain/manifest/components';
import type { Manifest } from '../domain/manifest/schema';
import type { Blueprint } from '../domain/placement/model';
import type { ServiceRecord } from '../domain/service/service';
import type { VeeTemplate } from '../domain/vee/vee';
import type { Store } from '../store/store';

/** What an executor of a blueprint has to look up: the blueprint itself, whose it is, and what its VEEs are made of. */
export class BlueprintReader {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  async blueprint(id: BlueprintId): Promise<Blueprint> {
    const kept = await this.store.blueprints.get(id);
    if (kept?.kind !== 'blueprint') throw new SluiceError('not-found', `There is no blueprint ${id}.`);
    return kept;
  }

  async service(operationId: OperationId): Promise<ServiceRecord> {
    const operation = await this.store.operations.get(operationId);
    const service = operation?.serviceId && (await this.store.services.get(operation.serviceId));
    if (!service) throw new SluiceError('not-found', `There is no operation ${operationId}.`);
    return service;
  }

  /** What the operation's VEEs are made by: the manifest that it names, or else the service's. */
  async manifest(operationId: OperationId): Promise<Manifest> {
    const named = (await this.store.operations.get(operationId))?.params.manifestDigest;
    return this.store.services.manifest(named ?? (await this.service(operationId)).manifestDigest);
  }

  /** @returns the template of a component, or throws when the manifest has none of that name */
  async templates(operationId: OperationId): Promise<(component: string) => VeeTemplate> {
    const manifest = await this.manifest(operationId);
    const byName = new Map(manifest.components.map((c) => [c.name, templateOf(manifest, c)]));
    return (component) => {
      const template = byName.get(component);
      if (!template) throw new SluiceError('not-found', `The manifest has no component "${component}".`);
      return template;
    };
  }
}
