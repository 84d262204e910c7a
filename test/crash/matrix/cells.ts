import type { Scenario, Undo } from '../../operations/scenario';
import type { Step } from '../../support/faults';

/** What is killed at once. Pairs are those that lose the two halves of something: who acts and who remembers it. */
export const TARGETS = {
  site: ['site'],
  agent: ['agent'],
  api: ['api'],
  mongodb: ['mongodb'],
  temporal: ['temporal'],
  'site+agent': ['site', 'agent'],
  'site+mongodb': ['site', 'mongodb'],
  'site+temporal': ['site', 'temporal'],
  'agent+temporal': ['agent', 'temporal'],
  'api+mongodb': ['api', 'mongodb'],
  'mongodb+temporal': ['mongodb', 'temporal'],
  /** The machine loses its power, but for what is on its disk. */
  everything: ['site', 'agent', 'api', 'mongodb', 'temporal'],
} as const satisfies Record<string, readonly string[]>;
export type Target = keyof typeof TARGETS;
export const TARGET_NAMES = Object.keys(TARGETS) as Target[];
const SINGLE = TARGET_NAMES.filter((t) => TARGETS[t].length === 1);

/** One operation, one moment of it, and what dies at that moment. */
export interface Cell {
  readonly scenario: Scenario;
  /** On its way back: it failed at its last step with a way back, and the step is one of its undo. */
  readonly undo: boolean;
  readonly step: Step;
  readonly when: 'before' | 'after';
  readonly target: Target;
}

/** An operation with the steps that clean runs of it took. */
export interface Discovered {
  readonly scenario: Scenario;
  readonly steps: readonly Step[];
  readonly undo: Undo | undefined;
}

/** Of each activity the first call, and on hosts the last: how often a site's are called depends on what comes together. */
export function sampleOf({ scenario, steps, undo }: Discovered): Discovered {
  const sample = (all: readonly Step[]) =>
    all.filter(
      (step) =>
        step === all.find((s) => s.activity === step.activity) ||
        (step.role !== 'site' && step === all.findLast((s) => s.activity === step.activity)),
    );
  return { scenario, steps: sample(steps), undo: undo && { ...undo, undos: sample(undo.undos) } };
}

const WHENS = ['before', 'after'] as const;

/** Names a cell for `--cell`; a label is the same in each run. */
export function cellName({ scenario, undo, when, step, target }: Cell): string {
  return [scenario.name, ...(undo ? ['undo'] : []), when, labelOf(step), target].join(':');
}

export const labelOf = ({ activity, occurrence }: Step): string =>
  occurrence === 1 ? activity : `${activity}#${occurrence}`;

/** Every step, before and after its effect, with every target. */
export function allCells({ scenario, steps, undo }: Discovered): Cell[] {
  const at = (step: Step, back: boolean): Cell[] =>
    WHENS.flatMap((when) => TARGET_NAMES.map((target) => ({ scenario, undo: back, step, when, target })));
  return [
    ...steps.flatMap((step) => at(step, false)),
    ...(undo?.undos ?? []).flatMap((step) => at(step, true)),
  ];
}

/**
 * What CI runs: each step once, each target at least once for each operation, in rotation, so that the same steps meet
 * other targets in the next operation. One that nothing may run beside costs a kill for each cell: of it every third
 * step, with the single processes and with all of them.
 */
export function splitCells({ scenario, steps, undo }: Discovered, index: number): Cell[] {
  const targets = scenario.alone ? [...SINGLE, 'everything' as const] : TARGET_NAMES;
  const count = scenario.alone
    ? Math.max(targets.length, Math.ceil(steps.length / 3))
    : Math.max(targets.length, steps.length);
  const stride = scenario.alone ? steps.length / count : 1;
  const rotated = (i: number) => targets[(i + index) % targets.length] as Target;
  const forward = Array.from({ length: count }, (_, i): Cell => {
    const step = steps[Math.floor(i * stride) % steps.length] as Step;
    const when = WHENS[(i + index + Math.floor(i / steps.length)) % 2] as Cell['when'];
    return { scenario, undo: false, step, when, target: rotated(i) };
  });
  const undos = scenario.alone ? (undo?.undos.slice(0, 1) ?? []) : (undo?.undos ?? []);
  const back = undos.map(
    (step, i): Cell => ({
      ...{ scenario, undo: true, step, target: rotated(i + count) },
      when: WHENS[(i + index) % 2] as Cell['when'],
    }),
  );
  return [...forward, ...back];
}

/** So many operations are under way when one kill strikes them all, each held at its own step. */
const SIDE_BY_SIDE = 16;

/** Cells that one kill may serve: the same target, and operations that leave each other alone. */
export function batchesOf(cells: readonly Cell[]): Cell[][] {
  const batches: Cell[][] = [];
  const open = new Map<Target, Cell[]>();
  for (const cell of cells) {
    const { scenario, target } = cell;
    if (scenario.alone) {
      batches.push([cell]);
      continue;
    }
    let batch = open.get(target);
    if (!batch || batch.length === SIDE_BY_SIDE) {
      batch = [];
      open.set(target, batch);
      batches.push(batch);
    }
    batch.push(cell);
  }
  return batches;
}
