import type { Command } from 'commander';
import { count } from './commands/services';
import { collected, pairsOf } from './pairs';

export interface SizeOptions {
  readonly cpuMillis?: string;
  readonly memoryMib?: string;
  readonly diskMib?: string;
  readonly bandwidthKbps?: string;
  readonly device: readonly string[];
  readonly image?: string;
  readonly label: readonly string[];
}

/** How large one is, and on which hosts it may be. */
export const sizeOptions = (command: Command): Command =>
  command
    .option('--cpu-millis <n>', 'VEEs of so many thousandths of a core')
    .option('--memory-mib <n>', 'and of so many MiB')
    .option('--disk-mib <n>', 'and of so much disk, in MiB')
    .option('--bandwidth-kbps <n>', 'and of so much bandwidth, in kbit/s')
    .option('--device <name=n>', 'and of so many of a device; may be repeated', collected, [])
    .option('--image <name>', 'only on hosts that have this image')
    .option('--label <key=value>', 'only on hosts with this label; may be repeated', collected, []);

/** @throws CliError with the usage code */
export function sizeOf(options: SizeOptions) {
  const { cpuMillis, memoryMib, diskMib, bandwidthKbps, device } = options;
  const devices = pairsOf('--device', device).map(([name, n]) => [name, count('--device', n)]);
  return {
    cpuMillis: count('--cpu-millis', cpuMillis ?? ''),
    memoryMiB: count('--memory-mib', memoryMib ?? ''),
    ...(diskMib === undefined ? {} : { diskMiB: count('--disk-mib', diskMib) }),
    ...(bandwidthKbps === undefined ? {} : { bandwidthKbps: count('--bandwidth-kbps', bandwidthKbps) }),
    ...(devices.length === 0 ? {} : { devices: Object.fromEntries(devices) }),
  };
}

export const whereOf = ({ image, label }: SizeOptions) => ({
  ...(image === undefined ? {} : { image }),
  labels: Object.fromEntries(pairsOf('--label', label)),
});
