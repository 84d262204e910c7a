import { SluiceError } from '../domain/errors';
import type { TenantId } from '../domain/ids';
import type { ApiDeps } from './deps';
import type { Context } from './route';

/**
 * Whose what is asked for is to be: a tenant asks for itself, an operator says for whom.
 * @param otherwise told to operators who do not say
 */
export async function ownerOf(
  { store }: Pick<ApiDeps, 'store'>,
  { identity, query }: Context<unknown, { tenant?: string | undefined }>,
  otherwise: string,
): Promise<TenantId> {
  if (identity.role === 'tenant' && identity.tenantId) {
    if (query.tenant !== undefined && query.tenant !== identity.tenantId)
      throw new SluiceError('forbidden', 'A tenant asks for itself only.');
    return identity.tenantId;
  }
  if (query.tenant === undefined)
    throw new SluiceError('request-invalid', `${otherwise}: ?tenant=NAME, or --tenant NAME.`, {
      pointer: '/query/tenant',
    });
  const tenantId = query.tenant as TenantId;
  if (!(await store.identities.hasTenant(tenantId)))
    throw new SluiceError('not-found', `There is no tenant "${tenantId}".`);
  return tenantId;
}
