/** A small service of two tiers; what a test needs otherwise it overrides. */
export function manifestOf(name: string, overrides: Record<string, unknown> = {}): Record<string, unknown> {
  const capacity = { cpuMillis: 100, memoryMiB: 64 };
  return {
    apiVersion: 'sluice/v1',
    kind: 'Service',
    name,
    components: [
      { name: 'db', image: 'busybox', capacity },
      { name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: 1, max: 20 } },
    ],
    topology: { dependencies: [{ component: 'app', dependsOn: ['db'] }] },
    ...overrides,
  };
}
