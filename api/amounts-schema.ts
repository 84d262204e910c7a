import { z } from 'zod';

export const amounts = z.object({
  ...{ cpuMillis: z.int(), memoryMiB: z.int(), diskMiB: z.int(), bandwidthKbps: z.int() },
  devices: z
    .record(z.string(), z.int())
    .optional()
    .describe('Whole devices by name; absent where there are none'),
});
