import fc from 'fast-check';
import { expressionFault, rankOf, unmetRequirement } from '../../domain/placement/expressions';
import type { Constraint } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import type { RankedHost } from '../../domain/placement/policy';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { context, host, packing, placed, serviceId, snapshotOf, vee } from '../support/placement';

const requirement = (component: string, expression: string): Constraint => ({
  ...{ kind: 'requirement', serviceId, component, expression },
});
const big = host('big', 4_000, { zone: 'z1', labels: { disk: 'ssd', carbon: '300' } });
const small = host('small', 1_000, { zone: 'z2', labels: { disk: 'hdd', carbon: '20' } });
const plain = host('plain', 2_000, { zone: 'z2' });
const site = snapshotOf([big, small, plain]);
const ranked = (of: typeof big, onHost = 0): RankedHost => ({
  ...of,
  sameService: { onHost, inZone: onHost, inSite: 5 },
});

describe('an expression about hosts', () => {
  it('means what it says also of a text that looks like a call', () => {
    expect(expressionFault('host.zone == "map (a)"', 'requirement')).toBeUndefined();
  });

  it.each([
    ['host.labels.disk == "ssd"', ['big']],
    ['host.capacity.cpuMillis >= 2000', ['big', 'plain']],
    ['host.zone in ["z2", "z3"] && host.driver == "simulator"', ['small', 'plain']],
    ['int(host.labels.carbon) < 100', ['small']],
    ['!has(host.labels.disk)', ['plain']],
    ['host.id.startsWith("p") || host.id == "big"', ['big', 'plain']],
    ['true', ['big', 'small', 'plain']],
  ])('says of %s which will do', (expression, expected) => {
    expect(expressionFault(expression, 'requirement')).toBeUndefined();
    const able = site.hosts.filter((h) => unmetRequirement(expression, h) === undefined);
    expect(able.map((h) => h.id)).toEqual(expected);
  });

  it('says why a host will not do, without the values that are in it: those are not for everybody', () => {
    expect(unmetRequirement('host.labels.disk == "ssd"', small)).toBe('it does not hold');
    const fails = 'it fails there, as for a label that is missing';
    expect(unmetRequirement('host.labels.gpu == "a100"', small)).toBe(fails);
    expect(unmetRequirement('int(host.labels.disk) > 1', small)).toBe(fails);
  });

  it.each([
    ['host.capacity.cpuMillis', big, 4_000],
    ['-int(host.labels.carbon)', small, -20],
    ['double(host.sameService.onHost) * 0.5', big, 1.5],
    ['int(host.labels.carbon)', plain, undefined],
    ['int(host.labels.disk)', big, undefined],
    ['1.0 / 0.0', big, undefined],
  ])('ranks by %s', (expression, of, expected) => {
    expect(rankOf(expression, ranked(of, 3))).toBe(expected);
  });

  it.each([
    ['1 +', 'requirement', /Unexpected token/],
    ['hots.zone == "z1"', 'requirement', /Unknown variable: hots/],
    ['host.capacity.cpuMillis + "x" == "y"', 'requirement', /no such overload/],
    ['host.capacity.memoryMib > 1', 'requirement', 'No such key: memoryMib'],
    ['host.free.memoryMiB', 'rank', 'No such key: free'],
    ['host.sameService.onHost == 0', 'requirement', 'No such key: sameService'],
    ['host.labels.disk', 'requirement', 'it is of the type string, and has to be true or false'],
    ['"aaa".matches//\n("^(a+)+$")', 'requirement', "matches() can't be used here"],
    ['[1].map//\n(x, x) == [1]', 'requirement', "map() can't be used here"],
    ['cel.bind(b, [1] + [1], b + b == b)', 'requirement', "bind() can't be used here"],
    ['duration("1s") == duration("1s")', 'requirement', "duration() can't be used here"],
    ['{"a": 1}.a == 1', 'requirement', "the operator map can't be used here"],
    ['1 + 1', 'requirement', 'it is of the type int, and has to be true or false'],
    ['host.zone == "z1"', 'rank', 'it is of the type bool, and has to be a number'],
    ['host.id.matches("(a+)+$")', 'requirement', "matches() can't be used here"],
    ['[1, 2].map(x, [1, 2].map(y, x)).size() == 2', 'requirement', "map() can't be used here"],
    [`${'('.repeat(60)}true${')'.repeat(60)}`, 'requirement', /depth|nest/i],
  ] as const)('is refused when it is %s as a %s', (expression, wanted, why) => {
    const fault = expressionFault(expression, wanted);
    expect(fault).toMatch(why);
  });

  it('never throws, whatever is in it', () => {
    const token = fc.constantFrom(
      ...['host', '.', 'labels', 'zone', '(', ')', '&&', '||', '!', '==', '<', '+', '-', '*', '/', '%'],
      ...[
        '1',
        '0',
        '2.5',
        '"a"',
        '[',
        ']',
        '{',
        '}',
        ',',
        '?',
        ':',
        'in',
        'has',
        'int',
        'size',
        'x',
        '\n',
        '\\',
      ],
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(token, { maxLength: 12 }).map((t) => t.join(' ')),
    );
    fc.assert(
      fc.property(text, (expression) => {
        for (const wanted of ['requirement', 'rank'] as const) {
          const fault = expressionFault(expression, wanted);
          if (fault !== undefined) expect(fault).not.toContain('\n');
        }
        unmetRequirement(expression, big);
        rankOf(expression, ranked(big));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a placement with expressions', () => {
  it('keeps what is required, and says what is not', () => {
    const request = (n: number) => ({
      vees: Array.from({ length: n }, (_, i) => vee('app', i, 600)),
      constraints: [requirement('app', 'int(host.labels.carbon) < 100')],
    });
    expect(placed(site, request(1))).toEqual({ 'app/0': 'small' });
    const answer = plan(site, request(2), packing, context);
    const why = answer.kind === 'infeasible' ? refusalSummary(answer) : '';
    expect(why).toContain('big: require(app: int(host.labels.carbon) < 100): it does not hold');
    expect(why).toContain('plain: require(app: int(host.labels.carbon) < 100): it fails there');
  });

  it('prefers what has a weight', () => {
    const preferences = [{ constraint: requirement('app', 'host.zone == "z1"'), weight: 1 }];
    const vees = [0, 1, 2].map((i) => vee('app', i, 1_500));
    expect(placed(site, { vees, constraints: [], preferences })).toEqual({
      ...{ 'app/0': 'big', 'app/1': 'big', 'app/2': 'plain' },
    });
  });

  it('goes by rank before the policy, and by the policy among those that rank alike', () => {
    const ranks = [{ component: 'app', expression: 'int(host.labels.carbon)' }];
    const request = { vees: [vee('app', 0)], constraints: [], ranks };
    expect(placed(site, request)).toEqual({ 'app/0': 'big' });
    expect(placed(site, { ...request, ranks: [{ component: 'app', expression: '0' }] })).toEqual({
      'app/0': 'small',
    });
    // What has no rank comes last.
    const without = snapshotOf([plain, small]);
    expect(placed(without, request, { name: 'striping' })).toEqual({ 'app/0': 'small' });
    const answer = plan(site, request, packing, context);
    const [assignment] = answer.kind === 'blueprint' ? answer.assignments : [];
    expect(assignment?.because).toBe(
      'the best by its rank, then by the policy, of the 3 hosts that can take it',
    );
    expect(assignment?.verdicts.map((v) => v.rank)).toEqual([300, 20, undefined]);
    // Of another component it is not asked.
    expect(placed(site, { ...request, vees: [vee('db', 0)] })).toEqual({ 'db/0': 'small' });
  });
});
