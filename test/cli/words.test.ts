import { createNamer } from '../../cli/names';
import { describeProblem } from '../../cli/problem';

describe('a problem in words', () => {
  const invalid = (...errors: { pointer: string; message: string; hint: string }[]) => ({
    detail: `${errors[0]?.pointer}: ${errors[0]?.message}`,
    pointer: errors[0]?.pointer,
    hint: 'Each entry of `errors` has a JSON pointer.',
    errors,
  });
  const small = { pointer: '/cpuMillis', message: 'Too small', hint: 'At least 1.' };
  const odd = { pointer: '/kinds/0', message: 'Invalid option', hint: 'One of: a, b.' };
  const names = { '/cpuMillis': '--cpu-millis', '/kinds': '--kind', '/toHost': '--to' };
  const title = 'The request does not fit its schema';

  it('says each thing once, by the command’s names where it has them', () => {
    expect(describeProblem('request-invalid', invalid(small), names)).toBe(
      `${title}: --cpu-millis: Too small`,
    );
    expect(describeProblem('request-invalid', invalid(odd, small), names)).toBe(
      `${title}:\n  --kind: Invalid option\n  --cpu-millis: Too small`,
    );
    expect(describeProblem('request-invalid', invalid(small))).toBe(
      `${title}: /cpuMillis: Too small (At least 1.)`,
    );
  });

  it('keeps a hint that says more, and names no flag twice', () => {
    const missing = { detail: 'There is no host "h".', pointer: '/toHost', hint: 'List them.' };
    expect(describeProblem('not-found', missing, names)).toBe(
      'Not found: --to: There is no host "h".\nHint: List them.',
    );
    const named = { ...missing, detail: '--to takes a host.' };
    expect(describeProblem('not-found', named, names)).toBe(
      'Not found: --to takes a host.\nHint: List them.',
    );
    const alone = { detail: '/toHost: is odd', pointer: '/toHost' };
    expect(describeProblem('conflict', alone, names)).toMatch(/: --to: is odd$/);
  });
});

describe('what a row is about', () => {
  const service = (id: string, tenantId: string, name: string) => ({ id, tenantId, name });
  const { subject } = createNamer(
    [service('svc-1', 'acme', 'shop'), service('svc-2', 'acme', 'erp'), service('svc-3', 'other', 'erp')],
    [{ id: 'vee-1', component: 'app', index: 2 }],
  );

  it.each([
    ['a service', { serviceId: 'svc-1' }, 'shop'],
    ['one whose name others have too', { serviceId: 'svc-3' }, 'other:erp'],
    ['one that is not listed yet', { serviceId: 'svc-9' }, 'svc-9'],
    ['a VEE', { serviceId: 'svc-1', veeId: 'vee-1' }, 'shop/app/2'],
    ['one that is not listed yet', { serviceId: 'svc-1', veeId: 'vee-9' }, 'vee-9'],
    ['a host', { hostId: 'host-1' }, 'host-1'],
    ['the site', {}, 'site'],
  ])('is %s', (_what, of, name) => {
    expect(subject(of)).toBe(name);
  });
});
