import type { Db } from 'mongodb';
import type { RebalanceRecord } from '../domain/rebalance/model';
import { keptPlans } from './kept-plans';

export const rebalanceRepository = (db: Db) => keptPlans<RebalanceRecord>(db.collection('rebalances'));
