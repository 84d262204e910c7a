import type { Db } from 'mongodb';
import type { OperationId, ServiceId } from '../domain/ids';
import type { Recomposition } from '../domain/service/recompose';
import { keptPlans } from './kept-plans';

/** How an operation re-composes a service, as it was decided. */
export interface RecompositionRecord
  extends Pick<Recomposition, 'members' | 'creations' | 'waves' | 'instances'> {
  readonly id: OperationId;
  readonly serviceId: ServiceId;
  readonly createdAt: number;
}

export const recompositionRepository = (db: Db) =>
  keptPlans<RecompositionRecord>(db.collection('recompositions'));
