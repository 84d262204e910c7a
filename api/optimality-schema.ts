import { z } from 'zod';

/** What a dry run tells of how good a plan of solvers is known to be. */
export const optimalityFields = {
  optimality: z
    .object({
      counts: z
        .enum(['hosts that come into use', 'load of the fullest host'])
        .optional()
        .describe('Of a plan that places: what its cost and bound are'),
      cost: z.number(),
      bound: z.number().describe('No plan costs less'),
      gap: z.number().describe('By what share of its cost the best of all plans could be cheaper'),
      solver: z.string().optional().describe('Whose answer it is; absent where nobody found a better one'),
      asked: z
        .array(z.object({ solver: z.string(), cost: z.number().optional(), because: z.string().optional() }))
        .optional()
        .describe('All solvers that were asked: what each found, or why it found nothing'),
      stoppedBy: z
        .literal('deadline')
        .optional()
        .describe('Set when the clock has ended a solver: another time the answer may be another'),
    })
    .optional()
    .describe(
      'How good an answer of solvers is known to be, in what its goal counts (hosts in use, watts, money an hour), with what moves cost',
    ),
  searched: z
    .array(z.object({ solver: z.string(), cost: z.number().optional(), because: z.string().optional() }))
    .optional()
    .describe('Of a plan for which room was looked for by several solvers: what became of each'),
  tookMillis: z.int().optional().describe('How long was looked for it'),
  avoided: z
    .array(z.object({ vees: z.int(), because: z.string() }))
    .optional()
    .describe('Of a rebalance: how many VEEs it leaves where they are, by reason'),
};
