import { upsertSearchAttributes } from '@temporalio/workflow';
import type { OperationState } from '../../domain/operation/operation';
import { keyword } from './attributes';

export function tagState(state: OperationState): void {
  upsertSearchAttributes([{ key: keyword('SluiceState'), value: state }]);
}

export function tagHost(hostId: string): void {
  upsertSearchAttributes([{ key: keyword('SluiceHost'), value: hostId }]);
}
