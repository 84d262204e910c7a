import { manifestSchema } from '../../domain/manifest/schema';
import { stopMillisOf } from '../../domain/service/time-to-go';
import { manifestOf } from '../support/manifests';

it('takes as long to stop as the slowest of each level of the stop order does, one after the other', () => {
  const capacity = { cpuMillis: 100, memoryMiB: 64 };
  const of = (name: string, more: object) => ({ name, image: 'busybox', capacity, ...more });
  const components = [
    of('db', { stopGraceMillis: 30_000 }),
    of('app', { stopGraceMillis: 5_000, drain: { command: ['true'], timeoutMillis: 20_000 } }),
    of('web', { stopGraceMillis: 24_000 }),
  ];
  const dependencies = [
    { component: 'app', dependsOn: ['db'] },
    { component: 'web', dependsOn: ['db'] },
  ];
  const manifest = manifestOf('shop', { components, topology: { dependencies } });
  expect(stopMillisOf(manifestSchema.parse(manifest))).toBe(55_000);
});
