import { existsSync } from 'node:fs';
import { SluiceError } from '../../domain/errors';
import { findOnPath, type RunOptions, type RunResult, run } from '../lib/program';

export type ContainerStatus = 'created' | 'running' | 'paused' | 'stopped';

export interface ContainerState {
  readonly status: ContainerStatus;
  readonly pid: number;
}

/** The OCI runtime command line, as runc and crun share it. */
export class OciRuntime {
  readonly name: 'runc' | 'crun';
  readonly path: string;
  private readonly prefix: readonly string[];

  constructor(name: 'runc' | 'crun', path: string, stateDir: string) {
    this.name = name;
    this.path = path;
    // crun refuses a hybrid cgroup tree; in a mount namespace without the v2 part it finds a v1 one.
    const hideUnified = [
      'unshare',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      'umount /sys/fs/cgroup/unified; exec "$0" "$@"',
    ];
    const hybrid = cgroupLayout() === 'hybrid';
    this.prefix = [...(name === 'crun' && hybrid ? hideUnified : []), path, '--root', stateDir];
  }

  /** `1.1.5` */
  async version(): Promise<string> {
    const { stdout } = await run([this.path, '--version']);
    return /version ([0-9][\w.+-]*)/.exec(stdout)?.[1] ?? 'unknown';
  }

  async state(id: string): Promise<ContainerState | undefined> {
    const result = await run([...this.prefix, 'state', id]);
    if (result.exitCode === 0) return JSON.parse(result.stdout) as ContainerState;
    if (/does not exist|no such file|not found/i.test(result.stderr)) return undefined;
    throw new SluiceError('driver-failed', `${this.name} can't tell the state of ${id}.`, {
      cause: result.stderr,
    });
  }

  async command(args: readonly string[], options?: RunOptions): Promise<RunResult> {
    const result = await run([...this.prefix, ...args], options);
    if (result.exitCode !== 0)
      throw new SluiceError(
        'driver-failed',
        `${this.name} ${args[0]} failed: ${lastMessage(result.stderr)}`,
        {
          cause: result.stderr,
        },
      );
    return result;
  }

  /** Like `command`, for commands whose exit code is the answer. */
  try(args: readonly string[], options?: RunOptions): Promise<RunResult> {
    return run([...this.prefix, ...args], options);
  }
}

/** The message of the last line, which runc writes as `level=… msg="…"`. */
export function lastMessage(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  return (/msg="(.*)"/.exec(line)?.[1] ?? line).replaceAll('\\"', '"');
}

export type CgroupLayout = 'v1' | 'v2' | 'hybrid' | 'none';

export function cgroupLayout(): CgroupLayout {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return 'v2';
  const v1 = existsSync('/sys/fs/cgroup/memory') && existsSync('/sys/fs/cgroup/cpu');
  if (!v1) return 'none';
  return existsSync('/sys/fs/cgroup/unified') ? 'hybrid' : 'v1';
}

/** What keeps real containers from running here, with the command that mends it; undefined when nothing does. */
export function containerObstacle(): { missing: string; mend: string } | undefined {
  if (process.platform !== 'linux') return { missing: 'Linux', mend: 'run the agent on a Linux host' };
  if (process.getuid?.() !== 0) return { missing: 'root', mend: 'run as root (sudo)' };
  if (!findOnPath('runc') && !findOnPath('crun'))
    return { missing: 'runc or crun', mend: 'apt-get install -y runc' };
  if (cgroupLayout() === 'none') return { missing: 'cgroups', mend: 'mount the cgroup file system' };
  return undefined;
}

export function findRuntime(stateDir: string, preferred?: string): OciRuntime {
  const obstacle = containerObstacle();
  if (obstacle)
    throw new SluiceError('driver-refused', `Containers need ${obstacle.missing}: ${obstacle.mend}.`);
  for (const name of ['runc', 'crun'] as const) {
    const path = findOnPath(name);
    if (path && (preferred === undefined || preferred === name)) return new OciRuntime(name, path, stateDir);
  }
  throw new SluiceError(
    'driver-refused',
    `The container runtime ${preferred ?? 'runc'} is not installed: apt-get install -y ${preferred ?? 'runc'}.`,
  );
}
