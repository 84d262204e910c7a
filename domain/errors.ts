/**
 * The one closed enumeration of what can go wrong, transport-neutral. Each code has an HTTP status, a
 * title, whether the same call may succeed later, and what to do about it. `docs/errors.md` is
 * generated from this table, and a test fails when the two differ.
 *
 * A `SluiceError` carries a *public* detail, which reaches clients, and an *internal* cause, which only
 * reaches logs. They are separate fields so that the cause can't leave by accident.
 */
interface ErrorEntry {
  readonly status: number;
  readonly title: string;
  /** May the very same call succeed if it is simply made again? Drives Temporal's retries as well. */
  readonly retryable: boolean;
  readonly hint: string;
}

const entry = (status: number, title: string, retryable: boolean, hint: string): ErrorEntry => ({
  status,
  title,
  retryable,
  hint,
});

export const ERRORS = {
  // Requests
  'request-malformed': entry(400, 'The request cannot be read', false, 'Mend the syntax at that place.'),
  'request-invalid': entry(
    400,
    'The request does not fit its schema',
    false,
    'Each entry of `errors` has a JSON pointer and what was expected there.',
  ),
  'request-too-large': entry(413, 'The request body is too large', false, 'Bodies are limited to 1 MiB.'),
  'media-type-unsupported': entry(
    415,
    'The media type is not understood',
    false,
    'Send application/json or application/yaml.',
  ),
  'route-unknown': entry(404, 'No such resource path', false, 'See /docs for the paths.'),
  'method-not-allowed': entry(
    405,
    'The resource does not take this method',
    false,
    'The Allow header lists the methods that it takes.',
  ),
  // Identity
  unauthenticated: entry(
    401,
    'No valid identity',
    false,
    'Send "Authorization: Bearer <token>" with a token of this site.',
  ),
  forbidden: entry(403, 'Not allowed for this role', false, 'Ask an operator for a token with that role.'),
  // Manifests
  'manifest-syntax': entry(400, 'The manifest is not well-formed YAML or JSON', false, 'Mend that line.'),
  'manifest-invalid': entry(
    422,
    'The manifest breaks a rule',
    false,
    'Each entry of `errors` has a JSON pointer, a line and a hint.',
  ),
  'manifest-not-executed': entry(
    422,
    'The manifest asks for something this release does not execute',
    false,
    'Remove the part at `pointer`; it is refused rather than silently ignored.',
  ),
  // State
  'not-found': entry(404, 'Not found', false, 'List the resource to see the ids that exist for you.'),
  'already-exists': entry(
    409,
    'It exists already with other contents',
    false,
    'Choose another name, or remove the existing one first.',
  ),
  'stale-etag': entry(
    412,
    'It changed since you read it',
    false,
    'Read it again and repeat the write with the new ETag.',
  ),
  'idempotency-key-reused': entry(
    422,
    'This Idempotency-Key was used for another request',
    false,
    'Use a fresh key for each distinct request.',
  ),
  'operation-in-progress': entry(409, 'Another operation is in the way', false, 'Wait for it, or cancel it.'),
  'transition-illegal': entry(
    409,
    'Not possible in this state',
    false,
    'Look what state it is in, and what leads on from there.',
  ),
  'not-cancellable': entry(
    409,
    'The operation can no longer be cancelled',
    false,
    'It is over, already going back, or past its point of no return: watch it to its end.',
  ),
  'not-stuck': entry(
    409,
    'The operation is not stuck',
    false,
    'Only a stuck operation takes retry or abort.',
  ),
  'out-of-bounds': entry(
    422,
    'The count is outside the range in the manifest',
    false,
    'Stay within those bounds; wider ones need a changed manifest.',
  ),
  superseded: entry(
    409,
    'A later request took its place',
    false,
    'Nothing: it had not begun, and the later request says what is wanted now.',
  ),
  conflict: entry(409, 'The record changed underneath', false, 'Read it again, then decide.'),
  // Placement
  'policy-unusable': entry(
    422,
    'The placement policy can not be used',
    false,
    'Mend the plug-in and set it again. The policy that was in force stays in force.',
  ),
  'algorithm-unusable': entry(
    422,
    'The algorithm can not be used',
    false,
    'Mend the plug-in and enable it again. Whatever was enabled before is asked as before.',
  ),
  'placement-infeasible': entry(
    422,
    'Nothing fits',
    false,
    'Add capacity, uncordon a host, or relax what is asked for.',
  ),
  'placement-race': entry(
    409,
    'Other plans kept taking the capacity',
    true,
    'Try again: the snapshot was out of date several times in a row.',
  ),
  'deadline-unmeetable': entry(
    422,
    'It can’t be done by then',
    false,
    'Allow more time, move fewer VEEs, or let them be stilled: onDeadline "escalate", or --escalate.',
  ),
  // Hosts and drivers
  'epoch-fenced': entry(
    409,
    'A newer epoch of this VEE exists',
    false,
    'Nothing to do: the older copy may no longer act.',
  ),
  'capability-missing': entry(
    422,
    'The driver cannot do this',
    false,
    'Read the host’s capabilities, or use a host with another driver.',
  ),
  'driver-failed': entry(
    502,
    'The host’s driver failed',
    true,
    'Look at the host’s log; the operation retries by itself.',
  ),
  'driver-refused': entry(422, 'The host’s driver refused for good', false, 'Repeating it will not help.'),
  'image-unknown': entry(422, 'No such image', false, 'Use one that GET /v1/images lists.'),
  'image-refused': entry(
    422,
    'The image can not be taken',
    false,
    'Mend the file and register it again; docs/images.md says what is refused.',
  ),
  'image-in-use': entry(
    409,
    'The image is in use',
    false,
    'End or re-compose what uses it; or deprecate it, so that nothing new begins to.',
  ),
  'licence-unknown': entry(
    422,
    'The site has no such licence',
    false,
    'Name one that it has, or have the operator say how many there are: sluice licence set.',
  ),
  'licence-in-use': entry(
    409,
    'Licences are in use',
    false,
    'Leave as many as are in use, or end what uses them: sluice licence list.',
  ),
  'network-unknown': entry(
    422,
    'The site has no such network for this tenant',
    false,
    'Name one that is shared with the tenant: sluice network list.',
  ),
  'network-full': entry(
    422,
    'The network has no address left',
    false,
    'Take a larger subnet, or a network of another name, for which all is made anew.',
  ),
  'network-in-use': entry(
    409,
    'VEEs are on the network',
    false,
    'End or re-compose the services that use it: sluice network show NAME.',
  ),
  'vee-not-ready': entry(
    504,
    'The VEE did not become ready in time',
    false,
    'While it runs: sluice logs VEE.',
  ),
  'host-unreachable': entry(
    504,
    'The host’s agent does not answer',
    true,
    'Check the agent; the operation goes on when it is back.',
  ),
  'outcome-unknown': entry(
    504,
    'Nobody knows whether it was done',
    true,
    'The host is asked before it is tried again; what was begun is undone otherwise.',
  ),
  'drain-incomplete': entry(
    409,
    'The host is not empty',
    false,
    'Make room elsewhere, or resume, move or end what can’t be moved, and ask again; or drain with --force-restart or --ignore.',
  ),
  'fencing-unconfirmed': entry(
    422,
    'Nobody vouches that the host is off',
    false,
    'See that it is off and say so (--confirm-down), or set SLUICE_FENCE_COMMAND.',
  ),
  'fencing-failed': entry(
    502,
    'The lost host could not be fenced',
    false,
    'Mend the fencing command, or make sure that the host is off; then retry.',
  ),
  'host-lost': entry(
    504,
    'The host is lost and fenced',
    false,
    'Its VEEs are recovered on other hosts: sluice events --subject HOST.',
  ),
  // Service as a whole
  cancelled: entry(409, 'The operation was cancelled', false, 'Nothing: what it had done was undone.'),
  unavailable: entry(
    503,
    'An engine is not reachable',
    true,
    'Repeat the request after Retry-After seconds with the same Idempotency-Key.',
  ),
  internal: entry(500, 'Something went wrong inside', true, 'Report the request id; the log has the cause.'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];
export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(ERRORS, code);

/** One thing wrong at one place. `pointer` is an RFC 6901 JSON pointer into what the client sent. */
export interface Finding {
  readonly pointer: string;
  readonly message: string;
  readonly hint: string;
  /** 1-based line in the YAML or JSON text, where there was a text. */
  readonly line?: number;
}

export interface ErrorExtra {
  /** Never shown to a client. */
  readonly cause?: unknown;
  readonly pointer?: string;
  readonly errors?: readonly Finding[];
  /** Further public members of the RFC 9457 problem, such as `refusals`. */
  readonly members?: Readonly<Record<string, unknown>>;
}

export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly pointer: string | undefined;
  readonly errors: readonly Finding[] | undefined;
  readonly members: Readonly<Record<string, unknown>> | undefined;

  /** @param detail public: says what was wrong with *this* call, never how the inside works */
  constructor(code: ErrorCode, detail: string, extra: ErrorExtra = {}) {
    super(detail, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.pointer = extra.pointer;
    this.errors = extra.errors;
    this.members = extra.members;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** What is kept of an error in a record or a workflow result: public parts only. */
export interface ErrorSummary {
  readonly code: ErrorCode;
  readonly detail: string;
}
