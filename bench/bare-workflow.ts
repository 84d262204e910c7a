import { proxyActivities } from '@temporalio/workflow';

const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: '30s' });
const WINDOW = 50;

/** The floor: as many activities as a provisioning has, with nothing in them. */
export async function bare(activities: number): Promise<void> {
  let left = activities;
  const lane = async () => {
    while (left-- > 0) await nothing();
  };
  await Promise.all(Array.from({ length: WINDOW }, lane));
}
