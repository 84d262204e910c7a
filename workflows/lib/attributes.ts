/** Apart from `search-attributes.ts` so that clients can import it: this file needs no workflow context. */
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import type { OperationInput, OperationSubject } from '../../domain/operation/operation';
import type { EntityInput, SearchAttribute } from '../../domain/service/messages';

export const keyword = (name: SearchAttribute) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);

const subjectAttributes = (subject: OperationSubject) => [
  { key: keyword('SluiceSite'), value: subject.siteId as string },
  ...(subject.tenantId ? [{ key: keyword('SluiceTenant'), value: subject.tenantId as string }] : []),
  ...(subject.serviceId ? [{ key: keyword('SluiceService'), value: subject.serviceId as string }] : []),
];

export function batchAttributes(op: OperationInput): TypedSearchAttributes {
  return new TypedSearchAttributes([
    ...subjectAttributes(op),
    { key: keyword('SluiceKind'), value: 'batch' },
  ]);
}

export function operationAttributes(op: OperationInput): TypedSearchAttributes {
  return new TypedSearchAttributes([
    ...subjectAttributes(op),
    { key: keyword('SluiceKind'), value: op.kind },
    { key: keyword('SluiceState'), value: 'pending' },
    ...(op.veeId ? [{ key: keyword('SluiceVee'), value: op.veeId as string }] : []),
    ...(op.hostId ? [{ key: keyword('SluiceHost'), value: op.hostId as string }] : []),
  ]);
}

export function entityAttributes(entity: EntityInput): TypedSearchAttributes {
  const kind = entity.serviceId ? 'service' : entity.hostId ? 'host' : 'site';
  return new TypedSearchAttributes([
    ...subjectAttributes(entity),
    { key: keyword('SluiceKind'), value: kind },
    ...(entity.hostId ? [{ key: keyword('SluiceHost'), value: entity.hostId as string }] : []),
  ]);
}
