import { z } from 'zod';
import { NAME_PATTERN } from '../ids';

/** Most that is taken for a price or a power, so that no sum of them outgrows what a number holds exactly enough. */
const MOST = 1e9;
const amount = z.number().min(0).max(MOST);

/** Prices in the currency of the site, as decimals. What is not said costs nothing. */
const priceSchema = z.strictObject({
  perHour: amount.optional().describe('Of the host itself, while anything is on it'),
  perCpuHour: amount.optional().describe('Of a core that is reserved'),
  perMemoryGiBHour: amount.optional().describe('Of a GiB of memory that is reserved'),
  perDiskGiBHour: amount.optional().describe('Of a GiB of disk that is reserved'),
  perDeviceHour: z
    .record(z.string().regex(NAME_PATTERN), amount)
    .refine((devices) => Object.keys(devices).length <= 16, 'at most 16 names')
    .optional()
    .describe('Of a device that is reserved, by its name'),
  perBandwidthGbpsHour: amount.optional().describe('Of a Gbit/s of bandwidth that is reserved'),
});

const powerSchema = z
  .strictObject({
    idleWatts: amount.describe('Of a host that is awake, with nothing on it'),
    peakWatts: amount.describe('With all of its CPU in use'),
    wakeSeconds: z.number().min(0).max(86_400).optional().describe('How long it takes to wake'),
  })
  .refine((p) => p.peakWatts >= p.idleWatts, { message: 'is below idleWatts', path: ['peakWatts'] });

/** What may be said of a host, wherever a host is told of. */
export const HOST_ECONOMY_FIELDS = {
  price: priceSchema.optional(),
  power: powerSchema.optional(),
  failuresPerYear: z
    .number()
    .min(0)
    .max(8_760)
    .optional()
    .describe('How often it is expected to fail: each time what is on it is out'),
};

export type HostPrice = Readonly<z.output<typeof priceSchema>>;
export type PowerCurve = Readonly<z.output<typeof powerSchema>>;

/** What a host costs, as far as anybody has said. */
export interface HostEconomy {
  readonly price?: HostPrice | undefined;
  readonly power?: PowerCurve | undefined;
  readonly failuresPerYear?: number | undefined;
}

/** That part of something larger, without what is not said; nothing to be spread where nothing is said: most ask for many hosts. */
export function economyOf({ price, power, failuresPerYear }: HostEconomy): HostEconomy | undefined {
  if (!price && !power && failuresPerYear === undefined) return undefined;
  return {
    ...(price ? { price } : {}),
    ...(power ? { power } : {}),
    ...(failuresPerYear === undefined ? {} : { failuresPerYear }),
  };
}
