import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { SluiceError } from '../../domain/errors';
import type { ServiceId } from '../../domain/ids';
import { templateOf } from '../../domain/manifest/components';
import { checkManifest, parseManifest } from '../../domain/manifest/parse';
import { provisioningFailureOf, updatePolicyOf } from '../../domain/manifest/policies';
import { manifestJsonSchema } from '../../domain/manifest/schema';
import { constraintName, constraintsOf } from '../../domain/placement/constraints';

const root = join(__dirname, '..', '..');
const example = (name: string) => readFileSync(join(root, 'examples', name), 'utf8');

/** A manifest that uses every part of the schema that this release executes. */
const FULL = {
  apiVersion: 'sluice/v1',
  kind: 'Service',
  name: 'full',
  description: 'every leaf',
  capacityScalePercent: 50,
  components: [
    {
      name: 'db',
      description: 'd',
      image: 'busybox',
      command: ['/bin/sh'],
      environment: { A: 'b' },
      capacity: { cpuMillis: 100, memoryMiB: 64, diskMiB: 10, bandwidthKbps: 10 },
      instances: { min: 1, initial: 1, max: 2 },
      readiness: { kind: 'exec', command: ['/bin/true'], periodMillis: 100, timeoutMillis: 1_000 },
      stopGraceMillis: 100,
    },
    {
      name: 'app',
      image: 'busybox',
      capacity: { cpuMillis: 100, memoryMiB: 64 },
      readiness: { kind: 'running' },
    },
  ],
  groups: [{ name: 'g', components: ['db', 'app'] }],
  topology: { dependencies: [{ component: 'app', dependsOn: ['db'] }] },
  placement: {
    affinity: [{ together: ['app'], level: 'host' }],
    antiAffinity: [
      { within: 'db', level: 'host' },
      { between: ['db', 'app'], level: 'host' },
    ],
    assignment: [{ component: 'db', labels: { disk: 'ssd' }, allowHosts: ['h1'], denyHosts: ['h2'] }],
  },
  elasticity: { rules: [] },
  slos: [],
  monitoring: { kpis: [] },
};

function refusal(act: () => unknown): SluiceError {
  try {
    act();
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

const edited = (edit: (m: typeof FULL & Record<string, unknown>) => void) => {
  const copy = structuredClone(FULL) as typeof FULL & Record<string, unknown>;
  edit(copy);
  return copy;
};

/** Paths of all scalar leaves. */
function leaves(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (Array.isArray(value)) return value.flatMap((v, i) => leaves(v, [...path, i]));
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([k, v]) => leaves(v, [...path, k]));
  return [path];
}

function replaced(path: readonly (string | number)[], by: unknown): unknown {
  const copy = structuredClone(FULL) as Record<string, unknown>;
  let at: Record<string | number, unknown> = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  at[path.at(-1) ?? ''] = by;
  return copy;
}

describe('the manifest', () => {
  it('takes the examples', () => {
    expect(parseManifest(example('webshop.yaml')).components.map((c) => c.name)).toEqual(['db', 'app', 'lb']);
    expect(parseManifest(example('erp.yaml')).components.map((c) => c.name)).toEqual([
      'central',
      'dialog',
      'proxy',
      'netmon',
    ]);
  });

  it('takes a manifest that uses every part', () => {
    expect(checkManifest(FULL).name).toBe('full');
  });

  it('scales all capacities by one parameter', () => {
    const manifest = parseManifest(example('erp.yaml'));
    const capacities = manifest.components.map((c) => templateOf(manifest, c).capacity.memoryMiB);
    expect(capacities).toEqual([164, 41, 41, 21]);
  });

  it('refuses a wrong type at every leaf, with its JSON pointer', () => {
    const wrong = fc.constantFrom<unknown>(null, [], {}, true, Number.NaN, -1.5, { nested: { deep: [1] } });
    fc.assert(
      fc.property(fc.constantFrom(...leaves(FULL)), wrong, (path, value) => {
        const error = refusal(() => checkManifest(replaced(path, value)));
        expect(['manifest-invalid', 'manifest-not-executed']).toContain(error.code);
        const pointer = `/${path.join('/')}`;
        // A union reports at its own place: a discriminator that is wrong, or a rule of either form.
        const near = error.errors?.some(
          (f) => pointer.startsWith(f.pointer) || f.pointer.startsWith(pointer),
        );
        expect([pointer, near]).toEqual([pointer, true]);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses unknown fields at every object', () => {
    const objects = leaves(FULL)
      .map((p) => p.slice(0, -1))
      .filter((p) => typeof p.at(-1) !== 'number' || true);
    for (const path of objects) {
      if (
        [
          'environment',
          'labels',
          'command',
          'components',
          'dependsOn',
          'together',
          'between',
          'allowHosts',
          'denyHosts',
        ].includes(String(path.at(-1)))
      )
        continue;
      const error = refusal(() => checkManifest(replaced([...path, 'memoryMB'], 1)));
      expect(error.errors?.map((f) => f.message).join()).toMatch(/memoryMB|none of/);
    }
  });

  it.each([
    [
      'duplicate component names',
      (m: typeof FULL) => void m.components.splice(1, 1, { ...m.components[0] } as never),
      'component-names-unique',
      '/components/1/name',
    ],
    [
      'a dependency cycle',
      (m: typeof FULL) => void m.topology.dependencies.push({ component: 'db', dependsOn: ['app'] }),
      'dependencies-acyclic',
      '/topology/dependencies',
    ],
    [
      'an unknown component in a dependency',
      (m: typeof FULL) => void m.topology.dependencies.push({ component: 'app', dependsOn: ['cache'] }),
      'references-exist',
      '/topology/dependencies/1/dependsOn/0',
    ],
    [
      'bounds out of order',
      (m: typeof FULL) =>
        void Object.assign(m.components[0] ?? {}, { instances: { min: 3, initial: 1, max: 2 } }),
      'instances-ordered',
      '/components/0/instances',
    ],
    [
      'together and apart at once',
      (m: typeof FULL) => void Object.assign(m.placement, { affinity: [{ together: ['db', 'app'] }] }),
      'placement-consistent',
      '/placement/antiAffinity/0',
    ],
    [
      'an assignment that denies each host that it allows',
      (m: typeof FULL) =>
        void Object.assign(m.placement, {
          assignment: [
            { component: 'db', allowHosts: ['h1', 'h2'] },
            { component: 'app', denyHosts: ['h1', 'h2'] },
            { component: 'db', denyHosts: ['h1', 'h2'] },
          ],
        }),
      'assignments-consistent',
      '/placement/assignment/2',
    ],
    [
      'two assignments that want other labels',
      (m: typeof FULL) =>
        void Object.assign(m.placement, {
          assignment: [
            { component: 'db', labels: { disk: 'ssd' } },
            { component: 'db', labels: { disk: 'hdd' } },
          ],
        }),
      'assignments-consistent',
      '/placement/assignment/1',
    ],
    [
      'a spread of an unknown component',
      (m: typeof FULL) => void Object.assign(m.placement, { spread: [{ component: 'cache' }] }),
      'references-exist',
      '/placement/spread/0/component',
    ],
    [
      'an update that could never replace anything',
      (m: typeof FULL) => void Object.assign(m, { update: { maxUnavailable: 0, maxSurge: 0 } }),
      'update-progresses',
      '/update',
    ],
    [
      'too many VEEs',
      (m: typeof FULL) =>
        m.components.forEach((c) => void Object.assign(c, { instances: { max: 500 } })) as never,
      undefined,
      undefined,
    ],
  ])('refuses %s', (_, edit, rule, pointer) => {
    if (rule === undefined) {
      const many = edited((m) =>
        Object.assign(m, {
          components: [1, 2, 3].map((i) => ({
            ...FULL.components[1],
            name: `c${i}`,
            instances: { max: 500 },
          })),
          groups: [],
          topology: {},
          placement: {},
        }),
      );
      expect(refusal(() => checkManifest(many)).message).toContain('vees-bounded');
      return;
    }
    const error = refusal(() => checkManifest(edited(edit as never)));
    expect(error.code).toBe('manifest-invalid');
    expect(error.errors?.find((f) => f.message.startsWith(rule))?.pointer).toBe(pointer);
  });

  it('takes what is together in a zone and apart on its hosts', () => {
    const zone = { affinity: [{ together: ['db', 'app'], level: 'zone' }] };
    const taken = checkManifest(edited((m) => Object.assign(m.placement, zone)));
    expect(constraintsOf(taken, 'svc-1' as ServiceId).map(constraintName)).toContain(
      'affinity(db, app) by zone',
    );
  });

  it.each([
    [
      '/elasticity/rules/0',
      {
        elasticity: { rules: [{ name: 'r', component: 'app', kpi: 'k', windowMillis: 1, scaleOutAbove: 1 }] },
      },
    ],
    ['/slos/0', { slos: [{ name: 's', kpi: 'k', upperBound: 1, periodMillis: 1 }] }],
    ['/monitoring/kpis/0', { monitoring: { kpis: [{ name: 'k', periodMillis: 1 }] } }],
    ['/placement/antiAffinity/0/level', { placement: { antiAffinity: [{ within: 'app', level: 'site' }] } }],
  ])('refuses what it does not execute yet, at %s', (pointer, part) => {
    const error = refusal(() => checkManifest(edited((m) => Object.assign(m, part))));
    expect([error.code, error.pointer]).toEqual(['manifest-not-executed', pointer]);
  });

  it('gives the line in the YAML', () => {
    const text = example('webshop.yaml').replace('cpuMillis: 500', 'cpuMillis: lots');
    const line = text.split('\n').findIndex((l) => l.includes('lots')) + 1;
    const error = refusal(() => parseManifest(text));
    expect(error.errors?.[0]).toMatchObject({ pointer: '/components/0/capacity/cpuMillis', line });
    expect(error.message).toContain(`line ${line}`);
  });

  it.each([
    ['not YAML', '{ a: [1, 2', 'manifest-syntax'],
    ['duplicate keys', 'name: a\nname: b', 'manifest-syntax'],
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
        .split('')
        .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`)
        .join('\n')}`,
      'manifest-syntax',
    ],
    ['absurd nesting', '['.repeat(100_000), 'manifest-syntax'],
    ['deep nesting', `a: ${'{b: '.repeat(60)}1${'}'.repeat(60)}`, 'manifest-syntax'],
    ['two documents', 'a: 1\n---\nb: 2', 'manifest-syntax'],
    ['nothing', '', 'manifest-invalid'],
    ['a scalar', '42', 'manifest-invalid'],
    ['a prototype key', '__proto__: {admin: true}', 'manifest-invalid'],
  ])('refuses %s', (_, text, code) => {
    expect(refusal(() => parseManifest(text)).code).toBe(code);
  });

  it('refuses what is too large before reading it', () => {
    expect(refusal(() => parseManifest(`# ${'x'.repeat(1_100_000)}`)).code).toBe('request-too-large');
  });

  it('never throws anything but its own error, whatever it is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => void refusal(() => parseManifest(text))),
      { numRuns: 300 },
    );
  });

  it('publishes its schema with all eight parts, as committed', () => {
    const schema = manifestJsonSchema() as { properties: Record<string, unknown> };
    for (const part of ['components', 'groups', 'topology', 'placement', 'elasticity', 'slos', 'monitoring'])
      expect(schema.properties).toHaveProperty(part);
    const path = join(root, 'docs', 'manifest.schema.json');
    expect(existsSync(path) && JSON.parse(readFileSync(path, 'utf8'))).toEqual(schema);
  });
});

describe('what a manifest says about failing and updating', () => {
  it('changes nothing of one that says nothing: its digest stays', () => {
    const manifest = checkManifest(edited(() => undefined));
    expect(JSON.stringify(manifest)).not.toMatch(/provisioning|update/);
    expect(updatePolicyOf(manifest)).toEqual({ maxUnavailable: 0, maxSurge: 1, onFailure: 'rollback' });
    expect(provisioningFailureOf(manifest)).toBe('rollback');
  });

  it('fills up what it leaves out', () => {
    const manifest = checkManifest(
      edited(
        (m) => void Object.assign(m, { update: { maxUnavailable: 2 }, provisioning: { onFailure: 'keep' } }),
      ),
    );
    expect(updatePolicyOf(manifest)).toEqual({ maxUnavailable: 2, maxSurge: 1, onFailure: 'rollback' });
    expect(provisioningFailureOf(manifest)).toBe('keep');
  });
});
