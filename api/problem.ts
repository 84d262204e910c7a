import type { ErrorRequestHandler, Request, Response } from 'express';
import { ERRORS, type ErrorCode, SluiceError } from '../domain/errors';
import type { Logger } from '../process/log';
import { asStoreError } from '../store/connect';
import { isTemporalAway } from '../temporal/connection';

const TYPE_BASE = '/docs/errors#';
const RETRY_AFTER_SECONDS = 2;

/** An RFC 9457 problem: public parts only. */
export function problemOf(error: SluiceError, requestId: string): Record<string, unknown> {
  const { status, title, hint, retryable } = ERRORS[error.code];
  return {
    type: `${TYPE_BASE}${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    hint,
    retryable,
    requestId,
    ...(error.pointer === undefined ? {} : { pointer: error.pointer }),
    ...(error.errors ? { errors: error.errors } : {}),
    ...error.members,
  };
}

/** Whatever was thrown, as one of ours. Causes go to the log and nowhere else. */
export function toSluiceError(thrown: unknown): SluiceError {
  const error = asStoreError(thrown);
  if (error instanceof SluiceError) return error;
  if (isTemporalAway(error))
    return new SluiceError('unavailable', 'Temporal is not reachable.', { cause: error });
  const parser = bodyError(error);
  if (parser) return parser;
  return new SluiceError('internal', 'The request could not be completed.', { cause: error });
}

/** What Express and its body parsers throw, by their documented `type`s. */
function bodyError(error: unknown): SluiceError | undefined {
  const { type, status } = (error ?? {}) as { type?: unknown; status?: unknown };
  const made = (code: ErrorCode, detail: string) => new SluiceError(code, detail, { cause: error });
  if (type === 'entity.too.large') return made('request-too-large', 'The body is larger than 1 MiB.');
  if (type === 'entity.parse.failed') return made('request-malformed', 'The body is not valid JSON.');
  if (type === 'encoding.unsupported' || type === 'charset.unsupported')
    return made('media-type-unsupported', 'Send UTF-8, uncompressed or gzip.');
  if (typeof status === 'number' && status >= 400 && status < 500)
    return made('request-malformed', 'The request could not be read.');
  return undefined;
}

export function sendProblem(res: Response, error: SluiceError): void {
  const { status } = ERRORS[error.code];
  if (status === 503) res.set('Retry-After', String(RETRY_AFTER_SECONDS));
  if (status === 401) res.set('WWW-Authenticate', 'Bearer realm="sluice"');
  res
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify(problemOf(error, res.locals.requestId as string)));
}

export function problemHandler(log: Logger): ErrorRequestHandler {
  return (thrown: unknown, req: Request, res: Response, next) => {
    const error = toSluiceError(thrown);
    const facts = { requestId: res.locals.requestId, method: req.method, path: req.path, code: error.code };
    if (ERRORS[error.code].status >= 500) log.error({ ...facts, err: error.cause ?? error }, error.message);
    else log.debug(facts, error.message);
    if (res.headersSent) return next(thrown);
    sendProblem(res, error);
  };
}
