import { randomFrom } from '../../domain/placement/optimize/random';
import { host, snapshotOf, vee } from './placement';

/** Hosts that a service fills up to so much: how its VEEs were cut out of them is known, and told to nobody. */
export function planted(seed: string, hosts: number, full: number) {
  const random = randomFrom(seed);
  const vees = Array.from({ length: hosts }, (_, h) => {
    const parts = 2 + Math.floor(random() * 3);
    const weights = (): number[] => {
      const raw = Array.from({ length: parts }, () => 0.3 + random());
      const total = raw.reduce((a, b) => a + b, 0);
      return raw.map((r) => Math.floor((r / total) * full * 10_000));
    };
    const [cpu, memory] = [weights(), weights()];
    return cpu.map((cpuMillis, i) => ({
      ...vee('app', 10 * h + i),
      need: { cpuMillis, memoryMiB: memory[i] ?? 0, diskMiB: 0, bandwidthKbps: 0 },
    }));
  }).flat();
  return {
    snapshot: snapshotOf(
      Array.from({ length: hosts }, (_, h) =>
        host(`h${h}`, 10_000, {
          capacity: { cpuMillis: 10_000, memoryMiB: 10_000, diskMiB: 0, bandwidthKbps: 0 },
        }),
      ),
    ),
    request: { vees, constraints: [] },
  };
}
