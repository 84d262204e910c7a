/** Who may import whom: DESIGN §3. `npm test` fails on a breach. */
const ours = (...folders) => `^(${folders.join('|')})/`;
const only = (from, ...allowed) => ({
  name: `${from}-imports`,
  severity: 'error',
  from: { path: `^${from}/` },
  to: {
    path: ours(
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
    ),
    pathNot: ours(from, ...allowed),
  },
});

module.exports = {
  forbidden: [
    only('domain'),
    // Of activities and drivers only types: `imports.test.ts` sees to that, and the bundler refuses the rest.
    only('workflows', 'domain', 'activities', 'drivers'),
    only('activities', 'domain', 'store', 'drivers'),
    only('drivers', 'domain'),
    only('store', 'domain'),
    only('temporal', 'domain', 'workflows'),
    only('engines', 'domain'),
    only('process', 'domain'),
    only('supervisor', 'engines', 'drivers', 'domain'),
    only('api', 'domain', 'store', 'temporal', 'process'),
    only('worker', 'domain', 'activities', 'drivers', 'store', 'temporal', 'process'),
    only('cli', 'domain', 'supervisor', 'engines', 'drivers'),
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'domain-and-workflows-do-no-io',
      severity: 'error',
      from: { path: ours('domain', 'workflows') },
      // Hashing and byte lengths are computation, not IO.
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|buffer)$' },
    },
    {
      name: 'workflows-stay-small',
      comment: 'zod alone adds a megabyte to the bundle that each worker loads',
      severity: 'error',
      from: { path: '^workflows/' },
      to: {
        path: 'node_modules',
        pathNot: 'node_modules/@temporalio/(workflow|common)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'mongodb-stays-in-store',
      severity: 'error',
      from: { pathNot: ours('store', 'engines', 'test', 'bench', 'scripts') },
      to: { path: 'node_modules/mongodb' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['^(scripts|bench|test)/', '\\.d\\.ts$', '^\\.', '\\.(js|json)$'] },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage|\\.sluice)' },
    parser: 'swc',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
