import { ERRORS, type ErrorCode } from '../domain/errors';

/** Documented in docs/cli.md; scripts depend on them. */
export const EXIT = {
  done: 0,
  operationFailed: 1,
  usage: 2,
  notFound: 3,
  denied: 4,
  conflict: 5,
  infeasible: 6,
  unavailable: 7,
} as const;

const CODES: Readonly<Record<number, ErrorCode>> = {
  [EXIT.usage]: 'request-invalid',
  [EXIT.notFound]: 'not-found',
  [EXIT.denied]: 'forbidden',
  [EXIT.conflict]: 'conflict',
  [EXIT.infeasible]: 'placement-infeasible',
  [EXIT.unavailable]: 'unavailable',
};

/** What the API would have said, where the command line says no by itself. */
export const codeOf = (exitCode: number): ErrorCode => CODES[exitCode] ?? 'internal';

/** What a command ends with when it can't do its work: one message, one exit code, no stack. */
export class CliError extends Error {
  readonly exitCode: number;
  /** The whole problem, for --json. */
  readonly problem: Readonly<Record<string, unknown>> | undefined;

  constructor(message: string, exitCode: number, problem?: Readonly<Record<string, unknown>>) {
    super(message);
    this.exitCode = exitCode;
    this.problem = problem;
  }
}

export function exitCodeOf(code: ErrorCode): number {
  if (code === 'placement-infeasible' || code === 'deadline-unmeetable') return EXIT.infeasible;
  switch (ERRORS[code].status) {
    case 404:
      return EXIT.notFound;
    case 401:
    case 403:
      return EXIT.denied;
    case 409:
    case 412:
      return EXIT.conflict;
    case 503:
    case 504:
      return EXIT.unavailable;
    case 500:
    case 502:
      return EXIT.operationFailed;
    default:
      return EXIT.usage;
  }
}
