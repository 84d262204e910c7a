import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import { NAME_PATTERN } from '../../domain/ids';
import type { AlgorithmSettings } from '../../domain/placement/algorithms';
import { isPolicyBroken } from '../../domain/placement/policy';
import type { ApiDeps } from '../deps';
import { didYouMean } from '../near-name';
import { type Answer, type Route, route } from '../route';

const pathSchema = z.object({ name: z.string().regex(NAME_PATTERN) });

export const unusableSchema = z
  .array(z.object({ file: z.string(), because: z.string() }))
  .describe('Files of the folder that can’t be plug-ins, and why');

const algorithmsSchema = z
  .object({
    algorithms: z.array(
      z.object({
        name: z.string(),
        state: z.enum(['enabled', 'disabled', 'switched-out']),
        does: z.string().optional().describe('As it says itself; absent for one that was never enabled'),
        since: z.int().optional(),
        setBy: z.string().optional(),
        because: z.string().optional().describe('How it broke, so that it is asked no more'),
        fault: z
          .string()
          .optional()
          .describe('Why it will be switched out at the next question, as far as its file tells'),
      }),
    ),
    unusable: unusableSchema,
  })
  .meta({ id: 'Algorithms' });

const answers = { 200: { description: 'Algorithms', schema: algorithmsSchema } };

/** Algorithms of others, which are asked beside the solvers that are built in. */
export function algorithmRoutes({ store, siteId, algorithms }: ApiDeps): Route[] {
  function told(settings: AlgorithmSettings): Answer {
    const names = [...new Set([...algorithms.names(), ...Object.keys(settings)])].sort();
    const body = names.map((name) => {
      const setting = settings[name];
      if (!setting) return { name, state: 'disabled' };
      const { does, since, setBy, switchedOut } = setting;
      if (switchedOut)
        return { name, state: 'switched-out', does, since: switchedOut.at, because: switchedOut.because };
      const fault = algorithms.fault({ name, sha256: setting.sha256 });
      return { name, state: 'enabled', does, since, setBy, ...(fault ? { fault } : {}) };
    });
    return { status: 200, body: { algorithms: body, unusable: algorithms.unusable() } };
  }

  return [
    route({
      method: 'get',
      path: '/v1/algorithms',
      tag: 'policies',
      summary: 'Algorithms that are asked beside the built-in solvers, and those that could be',
      roles: ['operator'],
      responses: answers,
      handler: async () => told(await store.site.algorithms(siteId)),
    }),
    route({
      method: 'put',
      path: '/v1/algorithms/{name}',
      tag: 'policies',
      summary: 'Ask this algorithm as well, from the next question on',
      roles: ['operator'],
      params: pathSchema,
      responses: answers,
      write: true,
      handler: async ({ identity, operationId, params: { name } }) => {
        const names = algorithms.names();
        if (!names.includes(name)) {
          const where = algorithms.folder ? `in ${algorithms.folder}` : 'in any folder: none is set';
          throw new SluiceError(
            'not-found',
            `There is no algorithm ${name} ${where}. ${didYouMean(name, names)}`.trim(),
          );
        }
        const tried = await algorithms.try(name).catch((error: unknown) => {
          if (!isPolicyBroken(error)) throw error;
          throw new SluiceError(
            'algorithm-unusable',
            `The algorithm ${name} can't be used: ${error.message}.`,
          );
        });
        const setBy = identity.name;
        const since = Date.now();
        const setting = { ...tried, requestedAs: operationId, since, setBy };
        const settings = await store.site.enableAlgorithm(siteId, name, setting);
        await store.events.append({
          id: `${operationId}/algorithm`,
          at: since,
          kind: 'algorithm.enabled',
          message: `${setBy} has enabled the algorithm ${name}`,
          subject: siteId,
        });
        return told(settings);
      },
    }),
    route({
      method: 'delete',
      path: '/v1/algorithms/{name}',
      tag: 'policies',
      summary: 'Ask this algorithm no more',
      roles: ['operator'],
      params: pathSchema,
      responses: answers,
      write: true,
      handler: async ({ identity, operationId, params: { name } }) => {
        const enabled = await store.site.algorithms(siteId);
        if (!enabled[name]) {
          const near = didYouMean(name, Object.keys(enabled));
          throw new SluiceError('not-found', `The algorithm ${name} is not enabled. ${near}`.trim());
        }
        const settings = await store.site.disableAlgorithm(siteId, name);
        await store.events.append({
          id: `${operationId}/algorithm`,
          at: Date.now(),
          kind: 'algorithm.disabled',
          message: `${identity.name} has disabled the algorithm ${name}`,
          subject: siteId,
        });
        return told(settings);
      },
    }),
  ];
}
