import { extendZodWithOpenApi, OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import type { Route } from './route';
import { problemSchema } from './schemas';

extendZodWithOpenApi(z);

/** The OpenAPI 3.1 document, made from the very declarations that the routes run on. */
export function openApiDocument(routes: readonly Route[]): Record<string, unknown> {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  for (const r of routes) {
    const headers = headersOf(r);
    registry.registerPath({
      method: r.method,
      path: r.path,
      operationId: operationIdOf(r),
      tags: [r.tag],
      summary: r.summary,
      ...(r.deprecated ? { deprecated: true } : {}),
      ...(r.roles === 'public'
        ? {}
        : { description: `Roles: ${r.roles.join(', ')}.`, security: [{ bearer: [] }] }),
      request: {
        ...(r.params ? { params: r.params as z.ZodObject } : {}),
        ...(r.query ? { query: r.query as z.ZodObject } : {}),
        ...(headers ? { headers } : {}),
        ...(r.body
          ? {
              body: {
                required: true,
                content: Object.fromEntries(
                  r.body.media.map((m) => [m, { schema: r.body?.schema ?? z.unknown() }]),
                ),
              },
            }
          : {}),
        ...(r.bytes
          ? {
              body: {
                content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
              },
            }
          : {}),
      },
      responses: {
        ...Object.fromEntries(
          Object.entries(r.responses).map(([status, { description, schema }]) => [
            status,
            { description, ...(schema ? { content: { 'application/json': { schema } } } : {}) },
          ]),
        ),
        default: {
          description: 'A problem',
          content: { 'application/problem+json': { schema: problemSchema } },
        },
      },
    });
  }
  const document = new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version: '1',
      description:
        'Runs service applications on virtual execution environments across federated cloud sites.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
  });
  return document as unknown as Record<string, unknown>;
}

function headersOf(r: Route): z.ZodObject | undefined {
  const shape: Record<string, z.ZodType> = {};
  if (r.write)
    shape['Idempotency-Key'] = z
      .string()
      .max(255)
      .optional()
      .describe('One effect and one answer for each key');
  if (r.ifMatch)
    shape['If-Match'] = z
      .string()
      .optional()
      .describe('The ETag that was read: the write fails when it has changed since');
  return Object.keys(shape).length > 0 ? z.object(shape) : undefined;
}

function operationIdOf({ method, path }: Route): string {
  const words = path.split(/[/{}.-]+/).filter((w) => w !== '' && w !== 'v1');
  return method + words.map((w) => w[0]?.toUpperCase() + w.slice(1)).join('');
}
