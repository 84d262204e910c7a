import { z } from 'zod';

/** What is in the archive of a warm image: a machine as it ran. */
export const WARM_FILES = { about: 'warm.json', memory: 'memory.state', disk: 'disk.qcow2' } as const;
/** Of `warm.json`. */
export const MOST_ABOUT_BYTES = 65_536;

const whole = z.int().min(0).max(4_194_304);

/** What a VEE has to be like to go on where such a machine was stilled. */
const factsSchema = z.strictObject({
  /** What its hosts have to have in common with the one that it was made on, as they name it: `7_2-tcg-pc`. */
  on: z
    .string()
    .regex(/^[a-z0-9_]+(-[a-z0-9_]+)*$/)
    .max(64),
  memoryMiB: whole.min(1),
  vcpus: whole.min(1),
  diskMiB: whole,
  interfaces: whole,
});
export type WarmFacts = z.infer<typeof factsSchema>;

/** `machine` is its driver's own. */
const aboutSchema = z.object({ facts: factsSchema, machine: z.record(z.string(), z.unknown()) });
export type WarmAbout = z.infer<typeof aboutSchema>;

/** @returns undefined for what is no description of a warm image */
export function readWarm(text: string): WarmAbout | undefined {
  try {
    return aboutSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export interface WarmShape {
  readonly cpuMillis: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  readonly interfaces: number;
}

export interface WarmMismatch {
  readonly field: keyof WarmShape;
  readonly message: string;
}

/** Why a VEE like this can't go on where the machine was; undefined when it can. */
export function warmMismatch(
  { memoryMiB, vcpus, diskMiB, interfaces }: WarmFacts,
  vee: WarmShape,
): WarmMismatch | undefined {
  const differs = (field: keyof WarmShape, had: string, has: string): WarmMismatch => ({
    field,
    message: `its image is of a running machine that has ${had}, so it can't have ${has}`,
  });
  if (vee.memoryMiB !== memoryMiB)
    return differs('memoryMiB', `${memoryMiB} MiB of memory`, `${vee.memoryMiB}`);
  if (Math.max(1, Math.ceil(vee.cpuMillis / 1_000)) !== vcpus)
    return differs('cpuMillis', counted(vcpus, 'vCPU'), `${vee.cpuMillis} thousandths of one`);
  if (vee.diskMiB !== diskMiB) return differs('diskMiB', `${diskMiB} MiB of disk`, `${vee.diskMiB}`);
  if (vee.interfaces !== interfaces)
    return differs('interfaces', counted(interfaces, 'network'), `${vee.interfaces}`);
  return undefined;
}

const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
