import { ERRORS, type ErrorCode, isErrorCode } from '../domain/errors';
import { CliError, EXIT, exitCodeOf } from './exit-codes';

type Problem = Readonly<Record<string, unknown>>;

interface Finding {
  readonly pointer: string;
  readonly message: string;
  readonly line?: number;
  readonly hint?: string;
}

/** What a command calls the parts of its request: flags and arguments by JSON pointer, such as `/toHost`: `--to`. */
export type Names = Readonly<Record<string, string>>;

/** Their hints only say where in the JSON to look, which people are shown anyway. */
const POINTS_AT_FINDINGS: readonly ErrorCode[] = ['request-invalid', 'manifest-invalid'];

/** The name of what a pointer points at, or of what it lies in. */
function nameOf(pointer: string, names: Names): string | undefined {
  for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/')))
    if (names[at] !== undefined) return names[at];
  return undefined;
}

/** Of a flag the message says all; in a file one has to find the place, and to know what goes there. */
export function describeFinding({ pointer, message, line, hint }: Finding, names: Names = {}): string {
  const name = nameOf(pointer, names);
  if (name !== undefined) return `${name}: ${message}`;
  const where = `${line === undefined ? '' : `line ${line}: `}${pointer || '/'}`;
  return `${where}: ${message}${hint ? ` (${hint})` : ''}`;
}

/** A problem as people read it, each thing once, in terms of what they typed. */
export function describeProblem(code: ErrorCode, problem: Problem, names: Names = {}): string {
  const { hint, errors } = problem;
  const findings = Array.isArray(errors) ? (errors as Finding[]) : [];
  const told = findings.map((f) => describeFinding(f, names));
  // `detail` repeats the first of the findings.
  const [only = describeDetail(problem, names), ...more] = told;
  const { title } = ERRORS[code];
  return [
    ...(more.length === 0 ? [`${title}: ${only}`] : [`${title}:`, ...told.map((t) => `  ${t}`)]),
    ...(hint === undefined || POINTS_AT_FINDINGS.includes(code) ? [] : [`Hint: ${hint}`]),
  ].join('\n');
}

function describeDetail({ detail, pointer }: Problem, names: Names): string {
  const text = String(detail);
  const name = typeof pointer === 'string' ? nameOf(pointer, names) : undefined;
  if (name === undefined || text.includes(name)) return text;
  const said = `${pointer}: `;
  return `${name}: ${text.startsWith(said) ? text.slice(said.length) : text}`;
}

export async function asCliError(response: Response): Promise<CliError> {
  const problem = (await response.json().catch(() => ({}))) as Problem;
  const { code } = problem;
  return isErrorCode(code)
    ? new CliError(describeProblem(code, problem), exitCodeOf(code), problem)
    : new CliError(`The API answered ${response.status}.`, EXIT.operationFailed, problem);
}

/** A call whose problems are told in the command's own terms. */
export async function inTermsOf<T>(names: Names, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof CliError) || !isErrorCode(error.problem?.code)) throw error;
    throw new CliError(
      describeProblem(error.problem.code, error.problem, names),
      error.exitCode,
      error.problem,
    );
  }
}
