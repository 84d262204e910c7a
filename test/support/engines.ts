import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../../supervisor/child';
import { enginePrograms, startEngines } from '../../supervisor/engines';

const started: Child[] = [];

/** Jest's global setup: one Temporal and one MongoDB for the whole run; each suite has its own site in them. */
export default async function setup(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-engines-'));
  const programs = await enginePrograms((name, found) => console.log(`${name}: ${found.from}`));
  const { environment } = await startEngines(
    { dataDir, namespace: 'sluice-test', ports: { temporal: 0, temporalUi: 0, mongodb: 0 } },
    programs,
    async (spec) => {
      const child = new Child(spec, dataDir, () => undefined);
      started.push(child);
      await child.start();
    },
  );
  // Test workers are forked later and inherit this.
  Object.assign(process.env, environment);
  (globalThis as { __engines?: Child[] }).__engines = started;
}
