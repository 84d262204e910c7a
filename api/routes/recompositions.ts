import { SluiceError } from '../../domain/errors';
import type { ServiceId } from '../../domain/ids';
import { manifestSchema } from '../../domain/manifest/schema';
import type { ApiDeps } from '../deps';
import { requireLicences } from '../known-licences';
import { requireNetworks } from '../known-networks';
import { digestOf, readManifest } from '../manifest-body';
import { holdingImages, pinImages } from '../pin-images';
import { dryRunRecomposition } from '../recompose-plan';
import { requestOperation } from '../request-operation';
import { requirePhase } from '../require-phase';
import { byId, checkMatch, dryRunQuery, found, OPERATED, type Route, route } from '../route';
import { started } from '../schemas';

/** A running service becomes as another manifest says. */
export function recompositionRoutes(deps: ApiDeps): Route[] {
  const { store } = deps;
  return [
    route({
      method: 'put',
      path: '/v1/services/{id}',
      tag: 'services',
      summary: 'Re-compose a service: apply a changed manifest to it',
      roles: OPERATED,
      params: byId,
      query: dryRunQuery,
      body: { schema: manifestSchema, media: ['application/json', 'application/yaml'] },
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const { identity, operationId } = context;
        const service = found(identity, 'service', await store.services.get(context.params.id as ServiceId));
        checkMatch(context.ifMatch, service);
        // One that was given up half-way leaves it in the middle: only another can lead it out.
        await requirePhase(deps, service, 're-composing', ['operating', 'recomposing']);
        const asked = readManifest(context.req.body);
        await requireLicences(store, asked);
        await requireNetworks(store, asked, service.tenantId, service);
        const manifest = await pinImages(store, asked, service.tenantId);
        if (manifest.name !== service.name)
          throw new SluiceError(
            'request-invalid',
            `/name: the service is called "${service.name}", which can't be changed`,
            { pointer: '/name' },
          );
        if (context.dryRun) return dryRunRecomposition(deps, identity, service, manifest, operationId);
        const manifestDigest = digestOf(manifest);
        return holdingImages(store, manifest, operationId, async () => {
          await store.services.putManifest(manifestDigest, manifest);
          return requestOperation(deps, context, {
            kind: 'service.recompose',
            service,
            params: { manifestDigest },
          });
        });
      },
    }),
  ];
}
