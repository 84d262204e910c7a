import { type Document, isAlias, isNode, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { type Finding, SluiceError } from '../errors';
import { notExecuted } from './not-executed';
import { type Manifest, manifestSchema } from './schema';
import { wellFormedness } from './well-formed';

export const MAX_MANIFEST_BYTES = 1_048_576;
const MAX_ALIASES = 100;
const MAX_DEPTH = 32;

/**
 * Text (YAML 1.2, and so JSON) to a checked manifest.
 * @throws SluiceError `manifest-syntax`, `manifest-invalid` or `manifest-not-executed`, with the JSON
 *   pointer and line of each finding
 */
export function parseManifest(text: string): Manifest {
  if (Buffer.byteLength(text) > MAX_MANIFEST_BYTES)
    throw new SluiceError('request-too-large', `The manifest is larger than ${MAX_MANIFEST_BYTES} bytes.`);
  const lines = new LineCounter();
  const doc = readYaml(text, lines);
  const value = toPlain(doc);
  return checkManifest(value, (pointer) => lineOf(doc, lines, pointer));
}

/** The same checks for a value that is parsed already (a JSON request body). */
export function checkManifest(
  value: unknown,
  lineAt: (pointer: string) => number | undefined = () => undefined,
): Manifest {
  const withLines = (findings: Finding[]) =>
    findings.map((f) => {
      const line = lineAt(f.pointer);
      return line === undefined ? f : { ...f, line };
    });

  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) throw invalid(withLines(parsed.error.issues.flatMap((i) => schemaFindings(i))));
  const broken = wellFormedness(parsed.data);
  if (broken.length > 0) throw invalid(withLines(broken));
  const refused = withLines(notExecuted(parsed.data));
  if (refused[0])
    throw new SluiceError('manifest-not-executed', say(refused[0]), {
      pointer: refused[0].pointer,
      errors: refused,
    });
  return parsed.data;
}

function invalid(errors: Finding[]): SluiceError {
  const first = errors[0] ?? { pointer: '', message: 'it does not fit the schema', hint: '' };
  return new SluiceError('manifest-invalid', say(first), { pointer: first.pointer, errors });
}

const say = (f: Finding) =>
  `${f.line === undefined ? '' : `line ${f.line}: `}${f.pointer || '/'}: ${f.message}`;

function readYaml(text: string, lineCounter: LineCounter): Document {
  let doc: Document;
  try {
    doc = parseDocument(text, { lineCounter, uniqueKeys: true, merge: false, stringKeys: true });
  } catch (cause) {
    // The parser recurses: absurd nesting overflows its stack before any check of ours could see it.
    throw new SluiceError('manifest-syntax', 'The manifest is nested too deeply to be read.', { cause });
  }
  const error = doc.errors[0];
  if (error)
    throw new SluiceError(
      'manifest-syntax',
      error.message.split('\n')[0]?.replace(/:$/, '.') ?? 'unreadable YAML',
      {
        cause: error,
      },
    );
  let aliases = 0;
  try {
    visit(doc, {
      Node(_, node, path) {
        if (isAlias(node)) aliases++;
        if (path.length > MAX_DEPTH * 2)
          throw new SluiceError(
            'manifest-syntax',
            `The manifest is nested more than ${MAX_DEPTH} levels deep.`,
          );
      },
    });
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError('manifest-syntax', 'The manifest is nested too deeply to be read.', { cause });
  }
  if (aliases > MAX_ALIASES)
    throw new SluiceError(
      'manifest-syntax',
      `The manifest uses ${aliases} aliases; at most ${MAX_ALIASES} are taken.`,
    );
  return doc;
}

function toPlain(doc: Document): unknown {
  try {
    return doc.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    throw new SluiceError('manifest-syntax', 'The manifest’s aliases expand to too much.', { cause });
  }
}

/**
 * A zod issue as findings: its place as a JSON pointer, and what to write there instead.
 * @param schemaAt where the whole schema is to be read
 */
export function schemaFindings(issue: z.core.$ZodIssue, schemaAt = 'docs/manifest.schema.json'): Finding[] {
  const at = toPointer(issue.path);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      pointer: `${at}/${escapeToken(key)}`,
      message: `unknown field "${key}"`,
      hint: 'Fields are exact: check the spelling and the unit in the name.',
    }));
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branches = issue.errors.map((e) => e.map((i) => i.message).join(' and '));
    return [
      {
        pointer: at,
        message: `none of: ${branches.join(' | ')}`,
        hint: 'Write one of the forms in docs/manifest.md.',
      },
    ];
  }
  return [{ pointer: at, message: issue.message, hint: hintFor(issue, schemaAt) }];
}

function hintFor(issue: z.core.$ZodIssue, schemaAt: string): string {
  switch (issue.code) {
    case 'invalid_type':
      return `Write ${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected} here.`;
    case 'too_small':
      return `At least ${issue.minimum}.`;
    case 'too_big':
      return `At most ${issue.maximum}.`;
    case 'invalid_value':
      return `One of: ${issue.values.map(String).join(', ')}.`;
    default:
      return `See ${schemaAt} for what fits here.`;
  }
}

const escapeToken = (token: string) => token.replaceAll('~', '~0').replaceAll('/', '~1');
const unescapeToken = (token: string) => token.replaceAll('~1', '/').replaceAll('~0', '~');
export const toPointer = (path: readonly PropertyKey[]) =>
  path.map((token) => `/${escapeToken(String(token))}`).join('');

/** The line of the nearest node that exists at or above a pointer: a missing field points at its parent. */
function lineOf(doc: Document, lines: LineCounter, pointer: string): number | undefined {
  const tokens = pointer.split('/').slice(1).map(unescapeToken);
  for (let length = tokens.length; length >= 0; length--) {
    const path = tokens.slice(0, length);
    const node = length === 0 ? doc.contents : doc.getIn(path, true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return undefined;
}
