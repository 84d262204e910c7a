import type { Finding } from '../errors';
import { expressionFault, type Wanted } from '../placement/expressions';
import { startLevels } from '../service/start-order';
import { unknownAddresses } from './address-references';
import { contradictoryAssignments } from './assignments';
import { contextBounds, filePaths, meaninglessReferences, referencesInCommands } from './context';
import { NETWORK_RULES } from './network-rules';
import { updatePolicyOf } from './policies';
import { LEVELS, type Manifest } from './schema';

/** Commands and environments travel with each VEE that is made: what is larger belongs on its disk. */
export const MAX_TEMPLATE_BYTES = 8_192;
const MAX_TEMPLATES_BYTES = 65_536;

/** Measured up to here: the histories, the plans and the lists of a service of so many stay within their bounds. */
export const MAX_VEES_PER_SERVICE = 1_000;

type Rule = (manifest: Manifest) => Finding[];

/**
 * Well-formedness: the rules that a schema can't express, each with an id that its message starts with
 * (MAN-spec's second facet). All are checked, so that one round trip shows everything that is wrong.
 */
const RULES: Readonly<Record<string, Rule>> = {
  'component-names-unique': (m) =>
    duplicates(
      m.components.map((c) => c.name),
      (i) => `/components/${i}/name`,
    ),

  'group-names-unique': (m) =>
    duplicates(
      m.groups.map((g) => g.name),
      (i) => `/groups/${i}/name`,
    ),

  'references-exist': (m) => {
    const known = new Set(m.components.map((c) => c.name));
    return references(m)
      .filter((ref) => !known.has(ref.name))
      .map((ref) => ({
        pointer: ref.pointer,
        message: `no component is called "${ref.name}"`,
        hint: `Known are: ${[...known].join(', ')}.`,
      }));
  },

  'instances-ordered': (m) =>
    m.components.flatMap((c, i) => {
      const { min, initial, max } = c.instances;
      if (min <= initial && initial <= max) return [];
      return [
        {
          pointer: `/components/${i}/instances`,
          message: `min ${min} ≤ initial ${initial} ≤ max ${max} does not hold`,
          hint: 'Missing values default to 1.',
        },
      ];
    }),

  'vees-bounded': (m) => {
    const most = m.components.reduce((n, c) => n + c.instances.max, 0);
    if (most <= MAX_VEES_PER_SERVICE) return [];
    return [
      {
        pointer: '/components',
        message: `up to ${most} VEEs, over the ${MAX_VEES_PER_SERVICE} a service may have`,
        hint: 'Lower a maximum, or make it several services.',
      },
    ];
  },

  'templates-bounded': (m) => {
    const sizes = m.components.map((c) =>
      Buffer.byteLength(JSON.stringify([c.command, c.environment, c.readiness, c.drain])),
    );
    const hint = 'Put what is larger on the disk or into the image.';
    const large = sizes.flatMap((size, i) =>
      size > MAX_TEMPLATE_BYTES
        ? [
            {
              pointer: `/components/${i}`,
              message: `command, environment, readiness and drain take ${size} bytes, over ${MAX_TEMPLATE_BYTES}`,
              hint,
            },
          ]
        : [],
    );
    const total = sizes.reduce((n, size) => n + size, 0);
    if (large.length > 0 || total <= MAX_TEMPLATES_BYTES) return large;
    return [
      {
        pointer: '/components',
        message: `commands and environments take ${total} bytes together, over ${MAX_TEMPLATES_BYTES}`,
        hint,
      },
    ];
  },

  'dependencies-acyclic': (m) => {
    const order = startLevels(
      m.components.map((c) => c.name),
      m.topology.dependencies,
    );
    if (order.kind === 'levels') return [];
    return [
      {
        pointer: '/topology/dependencies',
        message: `the start order has a cycle: ${[...order.cycle, order.cycle[0]].join(' → ')}`,
        hint: 'Remove one of these dependencies.',
      },
    ];
  },

  'update-progresses': (m) => {
    const { maxUnavailable, maxSurge } = updatePolicyOf(m);
    if (maxUnavailable > 0 || maxSurge > 0) return [];
    return [
      {
        pointer: '/update',
        message: 'with neither an instance missing nor one too many, none could ever be replaced',
        hint: 'Set maxSurge (a new one starts first) or maxUnavailable (an old one ends first) to at least 1.',
      },
    ];
  },

  'placement-consistent': (m) =>
    m.placement.antiAffinity.flatMap((rule, i) => {
      // What is only preferred gives way.
      if (rule.weight !== undefined) return [];
      const clash = m.placement.affinity.find((a) => {
        if (a.weight !== undefined) return false;
        // What is together in a zone may well be on different hosts of it.
        if (LEVELS.indexOf(a.level) > LEVELS.indexOf(rule.level)) return false;
        return 'within' in rule
          ? a.together.includes(rule.within) && (componentMax(m, rule.within) ?? 1) > (rule.most ?? 1)
          : rule.between.filter((c) => a.together.includes(c)).length > 1;
      });
      if (!clash) return [];
      return [
        {
          pointer: `/placement/antiAffinity/${i}`,
          message: `contradicts the affinity of ${clash.together.join(', ')}`,
          hint: 'The same VEEs can’t be kept both together and apart.',
        },
      ];
    }),

  'assignments-consistent': contradictoryAssignments,

  'references-mean-something': meaninglessReferences,
  'no-references-in-commands': referencesInCommands,
  'addresses-known': unknownAddresses,
  'contexts-bounded': contextBounds,
  'files-apart': filePaths,

  'expressions-sound': ({ placement: { require = [], rank = [] } }) => [
    ...require.flatMap((r, i) => expressionFindings(r.expression, 'requirement', `/placement/require/${i}`)),
    ...rank.flatMap((r, i) => expressionFindings(r.expression, 'rank', `/placement/rank/${i}`)),
    ...duplicates(
      rank.map((r) => r.component),
      (i) => `/placement/rank/${i}/component`,
    ),
  ],

  ...NETWORK_RULES,
};

export function wellFormedness(manifest: Manifest): Finding[] {
  return Object.entries(RULES).flatMap(([id, rule]) =>
    rule(manifest).map((finding) => ({ ...finding, message: `${id}: ${finding.message}` })),
  );
}

function expressionFindings(expression: string, wanted: Wanted, pointer: string): Finding[] {
  const fault = expressionFault(expression, wanted);
  if (!fault) return [];
  const hint = 'It is CEL (cel.dev) over `host`: see docs/manifest.md for what a host has.';
  return [{ pointer: `${pointer}/expression`, message: fault, hint }];
}

function componentMax(m: Manifest, name: string): number | undefined {
  return m.components.find((c) => c.name === name)?.instances.max;
}

function duplicates(names: readonly string[], pointer: (index: number) => string): Finding[] {
  return names.flatMap((name, i) =>
    names.indexOf(name) === i
      ? []
      : [
          {
            pointer: pointer(i),
            message: `"${name}" is used twice`,
            hint: 'Names are unique within their list.',
          },
        ],
  );
}

/** Every place in a manifest that names a component. */
function references(m: Manifest): { name: string; pointer: string }[] {
  const found: { name: string; pointer: string }[] = [];
  const list = (names: readonly string[], at: string) => {
    names.forEach((name, i) => {
      found.push({ name, pointer: `${at}/${i}` });
    });
  };
  m.groups.forEach((g, i) => {
    list(g.components, `/groups/${i}/components`);
  });
  m.topology.dependencies.forEach((d, i) => {
    found.push({ name: d.component, pointer: `/topology/dependencies/${i}/component` });
    list(d.dependsOn, `/topology/dependencies/${i}/dependsOn`);
  });
  m.placement.affinity.forEach((a, i) => {
    list(a.together, `/placement/affinity/${i}/together`);
  });
  m.placement.antiAffinity.forEach((a, i) => {
    if ('within' in a) found.push({ name: a.within, pointer: `/placement/antiAffinity/${i}/within` });
    else list(a.between, `/placement/antiAffinity/${i}/between`);
  });
  m.placement.assignment.forEach((a, i) => {
    found.push({ name: a.component, pointer: `/placement/assignment/${i}/component` });
  });
  m.placement.require?.forEach((r, i) => {
    found.push({ name: r.component, pointer: `/placement/require/${i}/component` });
  });
  m.placement.rank?.forEach((r, i) => {
    found.push({ name: r.component, pointer: `/placement/rank/${i}/component` });
  });
  m.placement.spread?.forEach((s, i) => {
    found.push({ name: s.component, pointer: `/placement/spread/${i}/component` });
  });
  m.elasticity.rules.forEach((r, i) => {
    found.push({ name: r.component, pointer: `/elasticity/rules/${i}/component` });
  });
  m.monitoring.kpis.forEach((k, i) => {
    if (k.component !== undefined)
      found.push({ name: k.component, pointer: `/monitoring/kpis/${i}/component` });
  });
  return found;
}
