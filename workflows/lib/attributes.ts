/** Apart from `search-attributes.ts` so that clients can import it: this file needs no workflow context. */
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import type { OperationInput } from '../../domain/operation/operation';
import type { SearchAttribute, ServiceEntityInput } from '../../domain/service/messages';

export const keyword = (name: SearchAttribute) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);

export function operationAttributes(op: OperationInput): TypedSearchAttributes {
  return new TypedSearchAttributes([
    { key: keyword('SluiceSite'), value: op.siteId },
    { key: keyword('SluiceTenant'), value: op.tenantId },
    { key: keyword('SluiceService'), value: op.serviceId },
    { key: keyword('SluiceKind'), value: op.kind },
    { key: keyword('SluiceState'), value: 'pending' },
    ...(op.veeId ? [{ key: keyword('SluiceVee'), value: op.veeId as string }] : []),
  ]);
}

export function entityAttributes(entity: ServiceEntityInput): TypedSearchAttributes {
  return new TypedSearchAttributes([
    { key: keyword('SluiceSite'), value: entity.siteId },
    { key: keyword('SluiceTenant'), value: entity.tenantId },
    { key: keyword('SluiceService'), value: entity.serviceId },
    { key: keyword('SluiceKind'), value: 'service' },
  ]);
}
