import type { Child } from '../../supervisor/child';

export default async function teardown(): Promise<void> {
  for (const child of (globalThis as { __engines?: Child[] }).__engines ?? []) await child.stop();
}
