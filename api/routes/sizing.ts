import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import { toPointer } from '../../domain/manifest/parse';
import { capacitySchema } from '../../domain/manifest/schema';
import { LICENCE_BASES } from '../../domain/placement/licences';
import { tooSmallFor } from '../../domain/placement/sizing';
import {
  amountOf,
  type Capacity,
  DIMENSIONS,
  type Dimension,
  deviceOf,
  dimensionsOf,
  dominantShare,
  isDevice,
  nameOf,
  termOf,
} from '../../domain/units';
import type { HostOffer } from '../../store/hosts';
import { readSizingQuestion } from '../../store/sizing-question';
import type { ApiDeps } from '../deps';
import { invalid } from '../invalid';
import { json, type Route, route } from '../route';

const wantedSchema = z
  .strictObject({
    like: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('A host of the site; the largest that is up where none is named'),
    host: capacitySchema.optional().describe('What each host has'),
    growthPercent: z
      .int()
      .min(0)
      .max(1_000)
      .default(0)
      .describe('So much more than runs now, of the same sizes'),
  })
  .refine(({ like, host }) => like === undefined || host === undefined, {
    message: 'give `like` or `host`, not both',
    path: ['like'],
  });

const sizingSchema = z
  .object({
    vees: z.int(),
    hosts: z.int().describe('On so many they were packed'),
    atLeast: z.int().describe('No packing has fewer'),
    loads: z.object(Object.fromEntries(DIMENSIONS.map((d) => [d, z.number()]))),
    deviceLoads: z.record(z.string(), z.number()).optional().describe('The same of devices, by their name'),
    scarcest: z.string().optional().describe('What runs out first; of devices `device:` and the name'),
    licences: z
      .array(
        z.object({
          ...{
            name: z.string(),
            per: z.enum(LICENCE_BASES),
            count: z.int().describe('So many the site has'),
          },
          needed: z
            .int()
            .describe(
              'So many would be taken; by hosts as few as those that take it are packed on by themselves',
            ),
        }),
      )
      .optional()
      .describe('Absent where nothing takes any'),
    size: z.string(),
    inUse: z.int().describe('Hosts on which anything is now'),
  })
  .meta({ id: 'Sizing' });

/** So many are packed in some seconds. */
const MOST_VEES = 200_000;

/** For whoever buys hosts. */
export function sizingRoutes({ store, planner }: ApiDeps): Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/capacity/sizing',
      tag: 'capacity',
      summary: 'How few hosts of a size would hold what runs here, if all of it were placed anew',
      roles: ['operator'],
      body: json(wantedSchema),
      responses: { 200: { description: 'The number', schema: sizingSchema } },
      handler: async ({ body: { like, host: given, growthPercent } }) => {
        const [offers, asked] = await Promise.all([
          store.hosts.offers(),
          readSizingQuestion(store, growthPercent),
        ]);
        if (asked.needs.length > MOST_VEES)
          throw invalid(
            '/growthPercent',
            `that is ${asked.needs.length} VEEs`,
            `Ask for ${MOST_VEES} at most.`,
          );
        const model = given ? undefined : like === undefined ? largestOf(offers) : named(offers, like);
        const host = given ?? model?.fingerprint.capacity;
        if (!host) throw invalid('/host', 'the site has no host to be like', 'Give the size of the hosts.');
        const small = tooSmallFor({ ...asked, host });
        if (small)
          throw invalid(
            given ? pointerOf(small.dimension) : '/like',
            `a VEE needs ${small.need} of ${nameOf(small.dimension)}, such a host has ${small.has}`,
            'No number of such hosts would do: ask for larger ones.',
          );
        const answer = await planner.sizing({ ...asked, host });
        const size = model ? `like ${model.id}` : `of ${told(host)}`;
        const inUse = offers.filter((h) => DIMENSIONS.some((d) => h.reserved[d] > 0)).length;
        return { status: 200, body: { ...answer, size, inUse } };
      },
    }),
  ];
}

function named(offers: readonly HostOffer[], id: string): HostOffer {
  const found = offers.find((h) => h.id === id);
  if (found) return found;
  throw new SluiceError('not-found', `There is no host ${id}.`);
}

function largestOf(offers: readonly HostOffer[]): HostOffer | undefined {
  const up = offers.filter((h) => h.liveness === 'up');
  const capacity = (h: HostOffer) => h.fingerprint.capacity;
  return up.sort(
    (a, b) => dominantShare(capacity(b), capacity(a)) - dominantShare(capacity(a), capacity(b)),
  )[0];
}

const pointerOf = (d: Dimension) =>
  isDevice(d) ? toPointer(['host', 'devices', deviceOf(d)]) : `/host/${d}`;

const told = (host: Capacity) =>
  dimensionsOf(host)
    .filter((d) => amountOf(host, d) > 0)
    .map((d) => `${termOf(d)} ${amountOf(host, d)}`)
    .join(', ');
