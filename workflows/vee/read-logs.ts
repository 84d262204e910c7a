import { proxyActivities } from '@temporalio/workflow';
import type { AgentActivities } from '../../activities';
import type { HostId, VeeId } from '../../domain/ids';

export interface ReadLogsInput {
  readonly agentQueue: string;
  readonly hostId: HostId;
  readonly veeId: VeeId;
  readonly tailLines: number;
}

/** A read, not an operation: hosts have no inbound port, so the way to a log leads through the agent's queue. */
export function readVeeLogs({ agentQueue, hostId, veeId, tailLines }: ReadLogsInput): Promise<string[]> {
  const { readLogs } = proxyActivities<Pick<AgentActivities, 'readLogs'>>({
    taskQueue: agentQueue,
    startToCloseTimeout: '3s',
    scheduleToCloseTimeout: '4s',
    heartbeatTimeout: '3s',
  });
  return readLogs({ hostId, veeId, tailLines });
}
