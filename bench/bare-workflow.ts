import { proxyActivities } from '@temporalio/workflow';

const WINDOW = 50;

/**
 * The floor: as many activities as a provisioning has, with nothing in them.
 * @param taskQueue of the worker that runs them, if it is not the workflow's own
 */
export async function bare(activities: number, taskQueue?: string): Promise<void> {
  const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({
    startToCloseTimeout: '30s',
    ...(taskQueue ? { taskQueue } : {}),
  });
  let left = activities;
  const lane = async () => {
    while (left-- > 0) await nothing();
  };
  await Promise.all(Array.from({ length: WINDOW }, lane));
}
