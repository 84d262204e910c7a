import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import helmet from 'helmet';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { z } from 'zod';
import { SluiceError } from '../domain/errors';
import type { Identity } from '../store/identities';
import { Authenticator, authorise } from './auth';
import type { ApiDeps } from './deps';
import { errorsPage, referencePage } from './docs-pages';
import { freshOperationId, onceOnly } from './idempotency';
import { openApiDocument } from './openapi';
import { problemHandler } from './problem';
import { keepRawBody } from './raw-body';
import { hand } from './request-operation';
import { type Answer, type Context, check, type Route } from './route';
import { accountRoutes } from './routes/accounts';
import { agentRoutes } from './routes/agents';
import { algorithmRoutes } from './routes/algorithms';
import { authorityRoutes } from './routes/authorities';
import { capacityRoutes } from './routes/capacity';
import { driftRoutes } from './routes/drift';
import { explanationRoutes } from './routes/explanations';
import { hostRoutes } from './routes/hosts';
import { imageChangeRoutes } from './routes/image-changes';
import { imageRoutes } from './routes/images';
import { leaseRoutes } from './routes/leases';
import { licenceRoutes } from './routes/licences';
import { networkRoutes } from './routes/networks';
import { operationRoutes } from './routes/operations';
import { policyRoutes } from './routes/policies';
import { recompositionRoutes } from './routes/recompositions';
import { routineRoutes } from './routes/routines';
import { serviceRoutes } from './routes/services';
import { siteRoutes } from './routes/site';
import { sizingRoutes } from './routes/sizing';
import { spareRoutes } from './routes/spare';
import { systemRoutes } from './routes/system';
import { veeRoutes } from './routes/vees';

const BODY_LIMIT = '1mb';
const NO_QUERY = z.strictObject({});
const ANONYMOUS: Identity = { id: 'anonymous', role: 'tenant', name: 'anonymous', createdAt: 0 };

export function allRoutes(deps: ApiDeps): Route[] {
  return [
    serviceRoutes,
    recompositionRoutes,
    veeRoutes,
    explanationRoutes,
    hostRoutes,
    agentRoutes,
    authorityRoutes,
    operationRoutes,
    accountRoutes,
    siteRoutes,
    driftRoutes,
    capacityRoutes,
    policyRoutes,
    algorithmRoutes,
    spareRoutes,
    licenceRoutes,
    networkRoutes,
    leaseRoutes,
    imageRoutes,
    imageChangeRoutes,
    sizingRoutes,
    routineRoutes,
    systemRoutes,
  ].flatMap((make) => make(deps));
}

/** The HTTP interface, without a socket: stateless, so any number of processes may serve it. */
export function createApp(deps: ApiDeps): Express {
  const routes = allRoutes(deps);
  const authenticator = new Authenticator(deps.store);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use(
    helmet({
      contentSecurityPolicy: {
        directives: { 'script-src': ["'self'", "'unsafe-inline'"], 'upgrade-insecure-requests': null },
      },
    }),
  );
  app.use(identifyRequest);
  app.use(measure(registry));

  serveDocuments(app, routes, registry);
  for (const route of routes)
    app[route.method](
      expressPath(route.path),
      admit(deps, authenticator, route),
      ...parsersOf(route),
      handle(deps, route),
    );
  refuseOtherMethods(app, routes);
  app.use((req: Request) => {
    throw new SluiceError('route-unknown', `There is nothing at ${req.path}.`);
  });
  app.use(problemHandler(deps.log));
  return app;
}

/** A caller's request id is kept where it is harmless, so that a trace runs through several systems. */
function identifyRequest(req: Request, res: Response, next: NextFunction): void {
  const given = req.get('X-Request-Id');
  const requestId = given && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();
  res.locals.requestId = requestId;
  res.set('X-Request-Id', requestId);
  next();
}

function measure(registry: Registry): RequestHandler {
  const seconds = new Histogram({
    name: 'sluice_http_request_seconds',
    help: 'Time to answer a request',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [registry],
  });
  return (req, res, next) => {
    const end = seconds.startTimer({ method: req.method });
    res.on('finish', () =>
      end({ route: (req.route as { path?: string } | undefined)?.path ?? 'none', status: res.statusCode }),
    );
    next();
  };
}

function serveDocuments(app: Express, routes: readonly Route[], registry: Registry): void {
  const document = openApiDocument(routes);
  const swaggerUi = dirname(require.resolve('swagger-ui-dist/package.json'));
  app.get('/openapi.json', (_req, res) => {
    res.json(document);
  });
  app.get('/docs', (_req, res) => {
    res.type('html').send(referencePage());
  });
  app.get('/docs/errors', (_req, res) => {
    res.type('html').send(errorsPage());
  });
  app.use('/docs/assets', express.static(swaggerUi, { index: false }));
  app.get('/metrics', async (_req, res) => {
    res.type(registry.contentType).send(await registry.metrics());
  });
}

const expressPath = (path: string) => path.replaceAll(/\{(\w+)\}/g, ':$1');

function parsersOf({ body }: Route): RequestHandler[] {
  if (!body) return [];
  const parsers: RequestHandler[] = [express.json({ limit: BODY_LIMIT, strict: false, verify: keepRawBody })];
  if (body.media.includes('application/yaml'))
    parsers.push(
      express.text({
        limit: BODY_LIMIT,
        type: ['application/yaml', 'application/x-yaml', 'text/yaml'],
        verify: keepRawBody,
      }),
    );
  const refuseOther: RequestHandler = (req, _res, next) => {
    const media = [
      'application/json',
      ...(body.media.includes('application/yaml')
        ? ['application/yaml', 'application/x-yaml', 'text/yaml']
        : []),
    ];
    if (!req.is(media))
      throw new SluiceError('media-type-unsupported', `This takes ${body.media.join(' or ')}.`);
    next();
  };
  return [refuseOther, ...parsers];
}

/** Who, and may they: before a body is even read, so that nobody learns from, or burdens, what they may not do. */
function admit(deps: ApiDeps, authenticator: Authenticator, route: Route): RequestHandler {
  return async (req, res, next) => {
    if (route.roles === 'public') res.locals.identity = ANONYMOUS;
    else {
      if (!deps.started()) throw new SluiceError('unavailable', 'The database is not reachable.');
      const identity = await authenticator.identify(req);
      authorise(identity, route.roles);
      res.locals.identity = identity;
    }
    next();
  };
}

/** Is it well-formed, then once only. */
function handle(deps: ApiDeps, route: Route): RequestHandler {
  return async (req, res) => {
    const identity = res.locals.identity as Identity;
    if (!route.body && !route.bytes && Number(req.get('Content-Length') ?? 0) > 0)
      throw new SluiceError('request-invalid', 'This takes no body.');
    const params = check(route.params, req.params, '/path');
    // A query that nobody reads is refused, not ignored: `?dryRun=true` on what has no dry run must not run.
    const query = check(route.query ?? NO_QUERY, req.query, '/query');
    // A manifest is checked by its own parser, which knows lines and more rules than a schema can state.
    const body = route.body?.media.includes('application/yaml')
      ? undefined
      : check(route.body?.schema, req.body, '');
    const dryRun = route.dryRun === true && (query as { dryRun?: boolean }).dryRun === true;
    const act = (operationId: Context['operationId']) =>
      route.handler({
        identity,
        params,
        query,
        body,
        requestId: res.locals.requestId as string,
        operationId,
        ifMatch: ifMatchOf(req),
        dryRun,
        req,
        res,
      });
    const answer =
      route.write && !dryRun
        ? await onceOnly(deps.store, req, identity, act, (begun) => hand(deps, identity, begun))
        : await act(freshOperationId());
    if (answer) send(res, answer);
  };
}

function ifMatchOf(req: Request): number | undefined {
  const header = req.get('If-Match');
  if (header === undefined || header === '*') return undefined;
  const generation = /^"g(\d{1,15})"$/.exec(header)?.[1];
  if (generation === undefined)
    throw new SluiceError('stale-etag', 'If-Match takes an ETag as it was read, such as "g3".');
  return Number(generation);
}

function send(res: Response, { status, body, headers = {} }: Answer): void {
  res.status(status).set(headers);
  if (body === undefined || body === null) res.end();
  else res.json(body);
}

function refuseOtherMethods(app: Express, routes: readonly Route[]): void {
  for (const path of new Set(routes.map((r) => r.path))) {
    const allowed = routes.filter((r) => r.path === path).map((r) => r.method.toUpperCase());
    app.all(expressPath(path), (req, res) => {
      res.set('Allow', allowed.join(', '));
      throw new SluiceError('method-not-allowed', `${req.method} is not among ${allowed.join(', ')}.`);
    });
  }
}
