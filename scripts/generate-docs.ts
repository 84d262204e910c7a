import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ERROR_CODES, ERRORS } from '../domain/errors';
import { manifestJsonSchema } from '../domain/manifest/schema';
import { openApiJson } from './openapi-json';

export function errorsMarkdown(): string {
  const rows = ERROR_CODES.map((code) => {
    const { status, title, retryable, hint } = ERRORS[code];
    return `### \`${code}\`\n\n${title}. HTTP ${status}, ${retryable ? 'may succeed when repeated' : 'will not succeed by itself'}.\n\n${hint}\n`;
  });
  return [
    '# Errors',
    '',
    'Generated from `domain/errors.ts` by `npm run docs`; a test fails when the two differ. Every error of the API is an RFC 9457 problem with one of these codes.',
    '',
    ...rows,
  ].join('\n');
}

/** Writes what is generated under docs/. */
export async function generateDocs(folder: string): Promise<void> {
  await writeFile(join(folder, 'errors.md'), errorsMarkdown());
  await writeFile(join(folder, 'manifest.schema.json'), `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`);
  await writeFile(join(folder, 'openapi.json'), `${JSON.stringify(openApiJson(), null, 2)}\n`);
}

if (require.main === module) {
  generateDocs(join(__dirname, '..', '..', 'docs')).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}
