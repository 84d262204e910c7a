import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VeeSpec } from '../contract';

/**
 * What a machine learns of its VEE, as files that the firmware hands over (`opt/org.sluice/…` in
 * `/sys/firmware/qemu_fw_cfg`): scripts for a guest's shell, and the same as JSON. Without the epoch: a copy that
 * arrives on another host is told nothing new.
 */
export async function writeContext(
  folder: string,
  spec: VeeSpec,
  given: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { veeId, serviceId, tenantId, component, index, template } = spec;
  const { command } = template;
  const environment = {
    SLUICE_VEE: veeId,
    SLUICE_SERVICE: serviceId,
    SLUICE_TENANT: tenantId,
    SLUICE_COMPONENT: component,
    SLUICE_INDEX: String(index),
    ...given,
    ...template.environment,
  };
  const files: Record<string, string> = {
    environment: Object.entries(environment)
      .map(([key, value]) => `export ${key}=${quoted(value)}\n`)
      .join(''),
    command: command.length > 0 ? `exec ${command.map(quoted).join(' ')}\n` : 'exec sleep 2147483647\n',
    hostname: `${component}-${index}`,
    'vee.json': JSON.stringify({ veeId, serviceId, tenantId, component, index, command, environment }),
  };
  await mkdir(join(folder, 'context'), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, 'context', name), text);
}

/** One word for a POSIX shell, whatever is in it. */
export const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
