import { z } from 'zod';
import { NAME_PATTERN } from '../../domain/ids';
import { POLICY_NAMES, parametersOf, takenBy } from '../../domain/placement/built-in-policies';
import { GOALS, MOST_PARAMETERS, type PolicyData, type PolicySetting } from '../../domain/placement/policy';
import { choosePolicy } from '../choose-policy';
import type { ApiDeps } from '../deps';
import { type Answer, type Context, dryRunQuery, json, type Route, route } from '../route';
import { unusableSchema } from './algorithms';

const parametersSchema = z
  .record(z.string().min(1).max(40), z.number().min(-1e9).max(1e9))
  .refine((p) => Object.keys(p).length <= MOST_PARAMETERS, `at most ${MOST_PARAMETERS}`);

const wantedSchema = z.strictObject({
  name: z
    .string()
    .regex(NAME_PATTERN)
    .describe(`${POLICY_NAMES.map((n) => `${n}: ${takenBy(n)}`).join('; ')}; or the name of a plug-in`),
  parameters: parametersSchema.optional().describe('Of those that the policy has; the others are as usual'),
});

const policySchema = z.object({
  name: z.string(),
  parameters: parametersSchema.optional(),
  plugin: z
    .object({ sha256: z.string(), takes: z.string(), goal: z.enum(GOALS) })
    .optional()
    .describe('Absent for a policy that is built in'),
});

const policiesSchema = z
  .object({
    placement: policySchema.extend({
      since: z.int().optional().describe('When it was set; absent for the one in the settings'),
      setBy: z.string().optional(),
      fault: z
        .string()
        .optional()
        .describe('Why it will be switched out at the next decision, as far as its file tells'),
    }),
    initial: policySchema.describe('The one in the settings: in force where none is set'),
    switchedOut: z
      .object({ name: z.string(), because: z.string(), at: z.int() })
      .optional()
      .describe('A plug-in that broke, so that the one in the settings decides since then'),
    dryRun: z.literal(true).optional().describe('`placement` is what it would be; nothing was set'),
    ranked: z
      .array(z.object({ hostId: z.string(), score: z.number() }))
      .optional()
      .describe('Of a dry run: in which order it would take the hosts now, the lowest score first'),
    unusable: unusableSchema,
    available: z.array(
      z.object({
        name: z.string(),
        kind: z.enum(['built-in', 'plug-in']),
        takes: z.string().optional(),
        parameters: parametersSchema.optional().describe('With what they are where nobody sets them'),
      }),
    ),
  })
  .meta({ id: 'Policies' });

const answers = { 200: { description: 'Policies', schema: policiesSchema } };

/** By what the site decides. What is set counts from the next decision on, in every process. */
export function policyRoutes(deps: ApiDeps): Route[] {
  const { store, siteId, initialPolicy, plugins } = deps;

  function told(setting: PolicySetting | undefined): Answer {
    // Once it was given back to the settings it is as if nobody had ever set it.
    const policy = setting?.policy;
    const fault = policy?.plugin && plugins.fault(policy.name, policy.plugin);
    const placement = policy
      ? { ...policy, since: setting.since, setBy: setting.setBy, ...(fault ? { fault } : {}) }
      : initialPolicy;
    const out = setting?.switchedOut;
    const switchedOut = out && { name: out.name, because: out.because, at: setting.since };
    const available = [
      ...POLICY_NAMES.map((name) => ({
        ...{ name, kind: 'built-in', takes: takenBy(name), parameters: parametersOf(name) },
      })),
      ...plugins.names().map((name) => {
        // What it says of itself is known of the one that is in force; the others would have to be run for that.
        const known = setting?.policy?.name === name ? setting.policy : undefined;
        return { name, kind: 'plug-in', takes: known?.plugin?.takes, parameters: known?.parameters };
      }),
    ];
    return {
      status: 200,
      body: {
        ...{ placement, initial: initialPolicy, ...(switchedOut ? { switchedOut } : {}) },
        ...{ available, unusable: plugins.unusable() },
      },
    };
  }

  async function set(
    { identity, operationId }: Pick<Context, 'identity' | 'operationId'>,
    policy?: PolicyData,
  ) {
    const setBy = identity.name;
    const setting = await store.site.setPlacement(siteId, {
      ...(policy ? { policy } : {}),
      ...{ requestedAs: operationId, since: Date.now(), setBy },
    });
    plugins.keepOnly(setting.policy?.name ?? initialPolicy.name);
    // Also for a repeat of the request that set it: that may have died before it had told.
    if (setting.requestedAs === operationId && !setting.switchedOut)
      await store.events.append({
        id: `${operationId}/policy`,
        at: setting.since,
        kind: 'policy.placement',
        message: policy
          ? `${setBy} has set the placement policy to ${policy.name}${withParameters(policy)}`
          : `${setBy} has given the placement policy back to the settings: ${initialPolicy.name}`,
        subject: siteId,
      });
    return told(setting);
  }

  return [
    route({
      method: 'get',
      path: '/v1/policies',
      tag: 'policies',
      summary: 'The policies in force',
      roles: ['operator'],
      responses: answers,
      handler: async () => told(await store.site.placement(siteId)),
    }),
    route({
      method: 'put',
      path: '/v1/policies/placement',
      tag: 'policies',
      summary: 'Set the placement policy, from the next decision on',
      roles: ['operator'],
      query: dryRunQuery,
      body: json(wantedSchema),
      responses: answers,
      write: true,
      dryRun: true,
      handler: async (context) => {
        const { policy, ranked } = await choosePolicy(deps, context.body);
        if (!context.dryRun) return set(context, policy);
        const setting = await store.site.placement(siteId);
        plugins.keepOnly(setting?.policy?.name ?? initialPolicy.name);
        const now = told(setting).body as object;
        return { status: 200, body: { ...now, placement: policy, dryRun: true, ranked } };
      },
    }),
    route({
      method: 'delete',
      path: '/v1/policies/placement',
      tag: 'policies',
      summary: 'Place by the policy in the settings again',
      roles: ['operator'],
      responses: answers,
      write: true,
      handler: (context) => set(context),
    }),
  ];
}

function withParameters({ parameters }: PolicyData): string {
  if (!parameters) return '';
  const told = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  return ` (${told.join(', ')})`;
}
