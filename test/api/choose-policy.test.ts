import { choosePolicy } from '../../api/choose-policy';
import type { ApiDeps } from '../../api/deps';
import { didYouMean } from '../../api/near-name';

// Nothing of a site: what is built in is refused or taken by what is known of it.
const deps = {
  plugins: { names: () => ['greenest'], folder: '/policies' },
  store: { hosts: { offers: async () => [] } },
} as unknown as Pick<ApiDeps, 'plugins' | 'store'>;

const refusal = (name: string, parameters?: Record<string, number>) =>
  choosePolicy(deps, { name, ...(parameters ? { parameters } : {}) }).then(
    () => 'none',
    (error: { message: string; pointer?: string; hint?: string }) =>
      [error.pointer, error.message, error.hint].join(' | '),
  );

describe('a policy that somebody sets', () => {
  it('is looked for by what is nearly its name', async () => {
    expect(await refusal('stripping')).toMatch(/Did you mean striping\? There are: packing, striping/);
    expect(await refusal('greenst')).toMatch(/Did you mean greenest\? /);
    expect(await refusal('nonsense')).not.toMatch(/Did you mean/);
    expect(await refusal('power-saving', { idlewats: 1 })).toMatch(
      /no parameter idlewats.*Did you mean idleWatts\? It has: /,
    );
  });

  it('has parameters that go together', async () => {
    expect(await refusal('power-saving', { idleWatts: 300 })).toMatch(
      /^\/parameters\/idleWatts \| .*idleWatts \(300\) is above peakWatts \(200\).*What is not set is as usual/,
    );
    expect(await refusal('power-saving', { peakWatts: 50 })).toMatch(/^\/parameters\/peakWatts /);
    expect(await refusal('power-saving', { idleWatts: 300, peakWatts: 300 })).toBe('none');
    expect(await refusal('latency', { sameZone: 3 })).toMatch(/sameZone \(3\) is above otherZone \(1\)/);
    expect(await refusal('latency', { sameZone: 0, otherZone: 0.5 })).toBe('none');
  });
});

describe('did you mean', () => {
  it('counts letters that are missing, too many, wrong or swapped', () => {
    const known = ['striping', 'packing', 'cost'];
    for (const given of ['stripping', 'strping', 'stiprng', 'Striping', 'stripign'])
      expect(didYouMean(given, known)).toBe('Did you mean striping? ');
    expect(didYouMean('cots', known)).toBe('Did you mean cost? ');
    expect(didYouMean('lost', known)).toBe('Did you mean cost? ');
    expect(didYouMean('xyz', known)).toBe('');
    expect(didYouMean('', known)).toBe('');
  });
});
