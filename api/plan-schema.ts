import { z } from 'zod';
import { amounts } from './amounts-schema';
import { optimalityFields } from './optimality-schema';

/** What a dry run answers. */
export const planSchema = z
  .object({
    dryRun: z.literal(true),
    operation: z.string(),
    feasible: z.boolean(),
    steps: z.array(z.string()),
    cost: z
      .object({
        vees: z.int().describe('VEEs that are made, changed, moved or ended'),
        interrupted: z
          .int()
          .describe('Of those that serve now, how many stop serving, for a while or for good'),
        capacity: amounts.describe(
          'Held on hosts afterwards beyond what is held now; negative is given back',
        ),
        hosting: z
          .object({
            ...{ perHour: z.number(), perMonth: z.number(), watts: z.number() },
            wakeSeconds: z
              .number()
              .optional()
              .describe('The longest that one takes to wake of those that come into use'),
          })
          .optional()
          .describe(
            'By how much more hosts cost and draw afterwards; absent where none has told either, and for tenants',
          ),
        moving: z
          .object({
            stillMillis: z.int().describe('How long VEEs do not run, added up'),
            sentMiB: z.number(),
            money: z
              .number()
              .optional()
              .describe('What both are worth, where the policy in force prices them'),
            diverging: z.int().optional().describe('VEEs that write their memory faster than it is sent'),
          })
          .optional()
          .describe('What migrations take'),
      })
      .optional()
      .describe('What carrying it out takes; absent when it is not feasible'),
    estimatedMillis: z.int().optional().describe('About how long migrations take: an estimate, no bound'),
    imbalance: z
      .object({ before: z.number(), after: z.number() })
      .optional()
      .describe(
        'Of a rebalance that evens out: the root mean square of how far loads are from the site’s, as a share of a host',
      ),
    hostsInUse: z
      .object({ before: z.int(), after: z.int() })
      .optional()
      .describe('Of a rebalance that frees hosts: of those that are open'),
    watts: z
      .object({ before: z.number(), after: z.number() })
      .optional()
      .describe('Of a rebalance that saves power: what hosts in use draw'),
    costPerHour: z
      .object({ before: z.number(), after: z.number() })
      .optional()
      .describe('Of a rebalance by cost: what hosts in use cost an hour, in the currency of the site'),
    payback: z
      .object({ moves: z.number(), hours: z.number() })
      .optional()
      .describe('Of a rebalance by cost: what its moves cost once, and within how long that has to be saved'),
    ...optimalityFields,
    loads: z
      .array(z.object({ hostId: z.string(), before: z.number(), after: z.number() }))
      .optional()
      .describe('Of the hosts that it changes: how full each is in what runs out first, from 0 to 1'),
    moves: z
      .array(
        z.looseObject({
          wave: z.int(),
          label: z.string(),
          veeIds: z.array(z.string()),
          fromHostId: z.string(),
          toHostId: z.string(),
          because: z.string(),
        }),
      )
      .optional()
      .describe('Of a rebalance: its moves, wave after wave'),
    why: z.string().optional().describe('Why it is not feasible, or why there is nothing to do'),
    remedies: z
      .array(z.string())
      .optional()
      .describe(
        'What would be enough, each by itself, for it to fit: "it would fit …"; absent when nobody could say in time',
      ),
    blueprint: z.unknown().optional(),
    actions: z
      .array(
        z.object({
          verb: z.enum(['no-op', 'resize', 'move', 'replace', 'destroy']),
          veeId: z.string(),
          component: z.string(),
          index: z.int(),
          hostId: z.string(),
          reasons: z.array(z.looseObject({ reason: z.string() })),
        }),
      )
      .optional()
      .describe('Of a re-composition: what becomes of each VEE, and why'),
    creations: z
      .array(
        z.object({ component: z.string(), count: z.int(), reason: z.looseObject({ reason: z.string() }) }),
      )
      .optional()
      .describe('Of a re-composition: VEEs that are new, beyond those that replace others'),
    waves: z
      .array(
        z.object({
          resizes: z.array(z.string()),
          move: z.string().optional(),
          creates: z.array(z.object({ component: z.string(), index: z.int() })),
          destroys: z.array(z.string()),
        }),
      )
      .optional()
      .describe('Of a re-composition: the order, one wave after the other'),
  })
  .meta({ id: 'Plan' });
