import type { Request, Response } from 'express';
import { z } from 'zod';
import { type Finding, SluiceError } from '../domain/errors';
import type { OperationId, TenantId } from '../domain/ids';
import { schemaFindings } from '../domain/manifest/parse';
import type { Identity, Role } from '../store/identities';

type Shape = z.ZodType;

/** What a handler gets: everything checked, nothing to parse. */
export interface Context<P = unknown, Q = unknown, B = unknown> {
  readonly identity: Identity;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly requestId: string;
  /** The id of the operation that this write makes; the same for each repeat under one Idempotency-Key. */
  readonly operationId: OperationId;
  /** The generation that If-Match asks for. */
  readonly ifMatch: number | undefined;
  readonly dryRun: boolean;
  readonly req: Request;
  readonly res: Response;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A route is declared once; Express, the authorisation check, the OpenAPI document and the coverage test are
 * all made from the declaration. `roles` is required: without it a route does not compile, which is what
 * "denied by default" means here.
 */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** With `{name}` for parameters, as in OpenAPI. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly roles: readonly Role[] | 'public';
  readonly params?: Shape;
  readonly query?: Shape;
  readonly body?: {
    readonly schema: Shape;
    readonly media: readonly ('application/json' | 'application/yaml')[];
  };
  /** Its body is bytes, which the handler reads as they come: they are never held as a whole. */
  readonly bytes?: boolean;
  readonly responses: Readonly<Record<number, { readonly description: string; readonly schema?: Shape }>>;
  /** Takes Idempotency-Key: its answer is kept and given again. */
  readonly write?: boolean;
  readonly dryRun?: boolean;
  readonly ifMatch?: boolean;
  /** There is another path for it, which goes on. */
  readonly deprecated?: true;
  /** `undefined` when the handler has answered by itself, as a stream does. */
  readonly handler: (context: Context) => Promise<Answer | undefined>;
}

/** Gives the handler the types of its schemas; the list of routes holds them without. */
export function route<
  P extends Shape = z.ZodUnknown,
  Q extends Shape = z.ZodUnknown,
  B extends Shape = z.ZodUnknown,
>(
  spec: Omit<Route, 'handler' | 'params' | 'query' | 'body'> & {
    readonly params?: P;
    readonly query?: Q;
    readonly body?: {
      readonly schema: B;
      readonly media: readonly ('application/json' | 'application/yaml')[];
    };
    readonly handler: (
      context: Context<z.output<P>, z.output<Q>, z.output<B>>,
    ) => Promise<Answer | undefined>;
  },
): Route {
  return spec as Route;
}

/** @throws SluiceError `request-invalid` with a pointer for each finding, below `/query`, `/path` or the body's root */
export function check(schema: Shape | undefined, value: unknown, where: '' | '/query' | '/path'): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues
    .flatMap((i) => schemaFindings(i, '/openapi.json'))
    .map((f): Finding => ({ ...f, pointer: `${where}${f.pointer}` }));
  const first = errors[0];
  throw new SluiceError('request-invalid', `${first?.pointer || '/'}: ${first?.message ?? 'invalid'}`, {
    errors,
    ...(first ? { pointer: first.pointer } : {}),
  });
}

export const json = <B extends Shape>(schema: B) => ({ schema, media: ['application/json'] as const });

export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(500).optional(),
});

export const byId = z.strictObject({ id: z.string().max(64) });

/** Who may see and change what a tenant owns: the tenant itself, and operators. */
export const OPERATED = ['operator', 'tenant'] as const;

export const dryRunQuery = z.strictObject({
  dryRun: z.stringbool().default(false).describe('Show the plan, change nothing'),
});

/** Own resources for a tenant, all for an operator; an identity that is neither sees nothing. */
export function scopeOf(identity: Identity): { tenantId?: TenantId } {
  if (identity.role === 'operator') return {};
  if (!identity.tenantId) throw new SluiceError('forbidden', 'The token names no tenant.');
  return { tenantId: identity.tenantId };
}

/** To a tenant, another's resource does not exist: the answer must not tell that it does. */
export function mayRead(identity: Identity, owner: { readonly tenantId?: string }): boolean {
  if (identity.role === 'operator') return true;
  return identity.role === 'tenant' && owner.tenantId !== undefined && identity.tenantId === owner.tenantId;
}

export function found<T extends { readonly tenantId?: string }>(
  identity: Identity,
  what: string,
  record: T | undefined,
): T {
  if (!record || !mayRead(identity, record)) throw new SluiceError('not-found', `There is no such ${what}.`);
  return record;
}

export const etagOf = ({ generation }: { readonly generation: number }) => ({ ETag: `"g${generation}"` });

/** @throws SluiceError `stale-etag` */
export function checkMatch(ifMatch: number | undefined, record: { readonly generation: number }): void {
  if (ifMatch !== undefined && ifMatch !== record.generation)
    throw new SluiceError(
      'stale-etag',
      `It is at generation ${record.generation}; the request asked for ${ifMatch}.`,
    );
}
