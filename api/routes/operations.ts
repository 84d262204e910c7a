import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import type { HostId, OperationId, ServiceId, VeeId } from '../../domain/ids';
import {
  hasEnded,
  OPERATION_KINDS,
  OPERATION_STATES,
  type OperationRecord,
} from '../../domain/operation/operation';
import type { ApiDeps } from '../deps';
import { accepted } from '../request-operation';
import { byId, type Context, found, OPERATED, pageQuery, type Route, route, scopeOf } from '../route';
import { operationSchema, pageOf } from '../schemas';
import { type Transfer, transfersOf } from '../transfers';
import { operationView } from '../views';

const STREAM_PERIOD_MILLIS = 150;
const COMMENT_MILLIS = 15_000;
const TRANSFERS_MILLIS = 1_000;

export function operationRoutes(deps: ApiDeps): Route[] {
  const { store, operations, temporalUi } = deps;

  const load = async (context: Context<unknown>, id: string): Promise<OperationRecord> =>
    found<OperationRecord>(context.identity, 'operation', await store.operations.get(id as OperationId));

  return [
    route({
      method: 'get',
      path: '/v1/operations',
      tag: 'operations',
      summary: 'List operations, newest first',
      roles: OPERATED,
      query: pageQuery.extend({
        service: z.string().max(64).optional(),
        vee: z.string().max(64).optional(),
        host: z.string().max(63).optional(),
        parent: z.string().max(64).optional().describe('Those that this operation asked for'),
        kind: z.enum(OPERATION_KINDS).optional(),
        state: z.enum(OPERATION_STATES).optional(),
      }),
      responses: { 200: { description: 'A page', schema: pageOf(operationSchema) } },
      handler: async ({ identity, query: { service, vee, host, parent, kind, state, ...page } }) => {
        const filter = {
          ...scopeOf(identity),
          serviceId: service as ServiceId | undefined,
          veeId: vee as VeeId | undefined,
          hostId: host as HostId | undefined,
          parentId: parent as OperationId | undefined,
          kind,
          state,
        };
        const { items, ...rest } = await store.operations.page(filter, page);
        return {
          status: 200,
          body: { items: items.map((o) => operationView(o, identity, temporalUi)), ...rest },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/operations/{id}',
      tag: 'operations',
      summary: 'One operation, with its steps',
      roles: OPERATED,
      params: byId,
      responses: { 200: { description: 'The operation', schema: operationSchema } },
      handler: async (context) => {
        const operation = await load(context, context.params.id);
        const transfers = await transfersOf(deps.temporal, operation);
        return { status: 200, body: operationView(operation, context.identity, temporalUi, transfers) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/operations/{id}/events',
      tag: 'operations',
      summary: 'Its progress as server-sent events, until it ends',
      roles: OPERATED,
      params: byId,
      responses: {
        200: { description: 'text/event-stream: "progress" events, each an operation; then "end"' },
      },
      handler: async (context) => {
        await stream(context, () => load(context, context.params.id), deps);
        return undefined;
      },
    }),
    route({
      method: 'post',
      path: '/v1/operations/{id}/cancel',
      tag: 'operations',
      summary: 'Cancel it: what it did is undone',
      roles: OPERATED,
      params: byId,
      responses: { 202: { description: 'The operation', schema: operationSchema } },
      write: true,
      handler: async (context) => {
        const operation = await load(context, context.params.id);
        if (hasEnded(operation))
          throw new SluiceError('not-cancellable', `It is ${operation.state} already.`);
        await operations.cancel(operation);
        return accepted(deps, context.identity, await load(context, context.params.id));
      },
    }),
    ...(['retry', 'abort'] as const).map((choice) =>
      route({
        method: 'post',
        path: `/v1/operations/{id}/${choice}`,
        tag: 'operations',
        summary:
          choice === 'retry'
            ? 'Try the stuck step again'
            : 'Give the stuck step up, and end the operation as stuck',
        roles: ['operator'],
        params: byId,
        responses: { 202: { description: 'The operation', schema: operationSchema } },
        write: true,
        handler: async (context) => {
          const operation = await load(context, context.params.id);
          if (operation.state !== 'stuck' || hasEnded(operation))
            throw new SluiceError('not-stuck', `It is ${operation.state}.`);
          await operations.resolve(operation.id, choice);
          return accepted(deps, context.identity, await load(context, context.params.id));
        },
      }),
    ),
  ];
}

/** Sends each new state of an operation until it has ended or the client is gone. */
async function stream(
  { res, identity }: Pick<Context, 'res' | 'identity'>,
  read: () => Promise<OperationRecord>,
  { temporal, temporalUi, stopping }: ApiDeps,
): Promise<void> {
  let operation = await read();
  res.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  const over = AbortSignal.any([gone.signal, stopping]);
  let sent = '';
  let transfers: Transfer[] = [];
  let lookedAt = 0;
  let quietSince = Date.now();
  while (!over.aborted) {
    if (Date.now() - lookedAt > TRANSFERS_MILLIS) {
      transfers = await transfersOf(temporal, operation);
      lookedAt = Date.now();
    }
    const now = `${operation.revision} ${JSON.stringify(transfers)}`;
    if (now !== sent) {
      sent = now;
      quietSince = Date.now();
      res.write(
        `event: progress\nid: ${operation.revision}\ndata: ${JSON.stringify(operationView(operation, identity, temporalUi, transfers))}\n\n`,
      );
    } else if (Date.now() - quietSince > COMMENT_MILLIS) {
      quietSince = Date.now();
      res.write(': still here\n\n');
    }
    if (hasEnded(operation)) {
      res.end('event: end\ndata: {}\n\n');
      return;
    }
    await delay(STREAM_PERIOD_MILLIS, undefined, { signal: over }).catch(() => undefined);
    // The database may be away for a while; the stream outlasts that.
    operation = await read().catch(() => operation);
  }
  res.end();
}
