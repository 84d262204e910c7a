import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ERROR_CODES } from '../../domain/errors';
import { manifestJsonSchema } from '../../domain/manifest/schema';
import { errorsMarkdown } from '../../scripts/generate-docs';
import { openApiJson } from '../../scripts/openapi-json';

const root = join(__dirname, '..', '..');
const FOLDERS = [
  'domain',
  'workflows',
  'activities',
  'drivers',
  'store',
  'temporal',
  'engines',
  'supervisor',
  'process',
  'api',
  'worker',
  'cli',
  'scripts',
  'bench',
  'test',
];

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && f.name.endsWith('.ts'))
    .map((f) => relative(root, join(f.parentPath, f.name)));
}
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** House rules that no linter knows, as greps: each with the reason for it. */
describe('the house rules', () => {
  it('let nobody import what the design forbids', () => {
    const depcruise = join(root, 'node_modules', '.bin', 'depcruise');
    const shipped = FOLDERS.filter((f) => !['scripts', 'bench', 'test'].includes(f));
    expect(execFileSync(depcruise, shipped, { cwd: root, encoding: 'utf8' })).toContain(
      'no dependency violations found',
    );
  });

  it('would notice a forbidden import', () => {
    const config = join(root, '.dependency-cruiser.js');
    const probe = `const c = require(${JSON.stringify(config)}); c.forbidden.push({name:'probe',severity:'error',from:{path:'^api/'},to:{path:'^domain/'}}); module.exports = c;`;
    const path = join(root, 'node_modules', `.depcruise-probe-${process.pid}.js`);
    require('node:fs').writeFileSync(path, probe);
    try {
      expect(() =>
        execFileSync(join(root, 'node_modules', '.bin', 'depcruise'), ['--config', path, 'api'], {
          cwd: root,
          stdio: 'pipe',
        }),
      ).toThrow();
    } finally {
      require('node:fs').rmSync(path);
    }
  });

  it('keep chance and clocks out of domain and workflows', () => {
    const found = [...files('domain'), ...files('workflows')].filter(
      (f) =>
        f !== 'workflows/lib/clock.ts' &&
        /Math\.random|Date\.now|new Date\b|randomUUID|randomBytes/.test(read(f)),
    );
    expect(found).toEqual([]);
  });

  it('let workflows take types of activities only', () => {
    const found = files('workflows').flatMap((f) =>
      read(f)
        .split('\n')
        .filter(
          (l) =>
            /from '.*\/(activities|drivers)[/']/.test(l) &&
            !l.startsWith('import type') &&
            !l.includes("from './"),
        )
        .map((l) => `${f}: ${l}`),
    );
    expect(found.filter((l) => !l.includes("'./activities'") && !l.includes("'../lib/activities'"))).toEqual(
      [],
    );
  });

  it('let no validator of an Update be asynchronous: the SDK does not wait for it, so it would refuse nothing', () => {
    const found = files('workflows').flatMap((f) =>
      read(f)
        .split('\n')
        .filter(
          (l) => /validator:?\s*(async|=\s*async)|async\s+validator/.test(l) || /validator.*Promise</.test(l),
        )
        .map((l) => `${f}: ${l.trim()}`),
    );
    expect(found).toEqual([]);
    expect('validator: async () => {}').toMatch(/validator:?\s*(async|=\s*async)/);
  });

  it('keep patches of workflows in one register, each id once and used', () => {
    const workflows = files('workflows').filter((f) => f !== 'workflows/lib/patches.ts');
    const source = workflows.map(read).join('\n');
    expect(workflows.filter((f) => /\bpatched\(/.test(read(f)))).toEqual([]);
    const ids = [...read('workflows/lib/patches.ts').matchAll(/^ {2}(\w+): \{\s+id: '([^']+)',/gm)];
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids.map(([, , id]) => id)).size).toBe(ids.length);
    expect(
      ids.filter(([, name]) => !source.includes(`isPatched('${name}')`)).map(([, name]) => name),
    ).toEqual([]);
  });

  it('keep files small enough to hold in the head', () => {
    const long = FOLDERS.flatMap(files)
      .map((f) => [f, read(f).split('\n').length] as const)
      .filter(([, n]) => n > 380);
    expect(long).toEqual([]);
  });

  it('name files in kebab-case', () => {
    expect(
      FOLDERS.flatMap(files).filter((f) => !/^[a-z0-9-]+(\.test)?\.ts$/.test(f.split('/').at(-1) ?? '')),
    ).toEqual([]);
  });

  it('leave no error code unused', () => {
    const source = FOLDERS.filter((f) => f !== 'test')
      .flatMap(files)
      .filter((f) => f !== 'domain/errors.ts')
      .map(read)
      .join('\n');
    expect(ERROR_CODES.filter((code) => !source.includes(`'${code}'`))).toEqual([]);
  });

  it('lock no download address of anybody’s host', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"/);
  });
});

describe('what is generated under docs/', () => {
  it('is as the code is (npm run docs)', () => {
    expect(read('docs/errors.md')).toBe(errorsMarkdown());
    expect(JSON.parse(read('docs/manifest.schema.json'))).toEqual(manifestJsonSchema());
    expect(JSON.parse(read('docs/openapi.json'))).toEqual(JSON.parse(JSON.stringify(openApiJson())));
  });
});

describe('the README', () => {
  const readme = read('README.md');
  it('names only scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map((m) => m[1] ?? '');
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((n) => !(n in scripts))).toEqual([]);
  });

  it('links only to files that exist', () => {
    const links = [...readme.matchAll(/\]\((?!http)([^)#]+)/g)].map((m) => m[1] ?? '');
    expect(links.filter((l) => !require('node:fs').existsSync(join(root, l)))).toEqual([]);
  });

  it('holds the two commands that CI runs', () => {
    expect(readme).toContain('npm ci && npm run demo');
    expect(readme).toContain('npm ci && npm test');
    expect(read('.ci/run')).toContain('npm test');
  });
});

describe('docs/cases.md', () => {
  it('names for each case a test that exists, or says that it is pending', () => {
    const rows = read('docs/cases.md')
      .split('\n')
      .filter((l) => l.startsWith('| ') && !/^\| (case|-+) /.test(l));
    expect(rows.length).toBeGreaterThan(10);
    for (const row of rows) {
      const [, path, title] = /\| `(test\/[^`]+)`: "(.*)" +\|$/.exec(row) ?? [];
      if (path && title) expect([row, read(path).includes(title)]).toEqual([row, true]);
      else expect(row).toMatch(/\| pending\b/);
    }
  });
});
