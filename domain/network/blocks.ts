import { FIRST_OFFSET } from './subnet';

/**
 * The addresses of one component on a network, by number. Each component has a block of its own: so what may come in from
 * a component can be told its hosts once and for all, however it is scaled later.
 */
export interface Block {
  readonly component: string;
  readonly from: number;
  /** Not part of it any more. */
  readonly to: number;
}

export interface BlockNeed {
  readonly component: string;
  /** As many VEEs as there may be at one time. */
  readonly most: number;
}

export type BlockPlan =
  | { readonly kind: 'laid-out'; readonly blocks: readonly Block[] }
  | { readonly kind: 'too-small'; readonly component: string; readonly need: number; readonly free: number }
  /** It has VEEs there, and its neighbours' rules name the block as it is. */
  | { readonly kind: 'grown'; readonly component: string; readonly need: number; readonly has: number };

/** An address that was given back is not given again at once: with twice as many there is nearly always another. */
const SIZES: readonly ((most: number) => { readonly size: number; readonly aligned: boolean })[] = [
  (most) => ({ size: powerOfTwo(Math.max(16, 2 * most)), aligned: true }),
  (most) => ({ size: powerOfTwo(2 * most), aligned: true }),
  (most) => ({ size: most, aligned: false }),
];

/**
 * Gives each component a block, in the order in which they are named: ample ones where there is room for that, else such as
 * are just enough. A block that is there already stays as it is.
 * @param end the first number that is not given out
 */
export function layOutBlocks(end: number, kept: readonly Block[], needs: readonly BlockNeed[]): BlockPlan {
  for (const { component, most } of needs) {
    const block = kept.find((b) => b.component === component);
    if (block && block.to - block.from < most)
      return { kind: 'grown', component, need: most, has: block.to - block.from };
  }
  const fresh = needs.filter((n) => !kept.some((b) => b.component === n.component));
  let short: BlockPlan | undefined;
  for (const sizeFor of SIZES) {
    const blocks = [...kept];
    short = undefined;
    for (const { component, most } of fresh) {
      const { size, aligned } = sizeFor(most);
      const from = firstFit(end, blocks, size, aligned);
      if (from === undefined) {
        short = { kind: 'too-small', component, need: most, free: freeOf(end, blocks) };
        break;
      }
      blocks.push({ component, from, to: from + size });
    }
    if (!short) return { kind: 'laid-out', blocks };
  }
  return short ?? { kind: 'laid-out', blocks: kept };
}

/**
 * Blocks for those that have none. Where there is no room for all, only for those that come now: another that can't come is no
 * reason to turn them away. Who has a block has it as it is: whether an address of it is left is seen when one is taken.
 */
export function addBlocks(
  end: number,
  kept: readonly Block[],
  needs: readonly BlockNeed[],
  coming: ReadonlySet<string>,
): BlockPlan {
  const fresh = needs.filter((n) => !kept.some((b) => b.component === n.component));
  const all = layOutBlocks(end, kept, fresh);
  if (all.kind === 'laid-out') return all;
  return layOutBlocks(
    end,
    kept,
    fresh.filter((n) => coming.has(n.component)),
  );
}

/** Less those that nobody has any claim to. @param claimed components that may have VEEs, or addresses that still rest */
export const claimedBlocks = (blocks: readonly Block[], claimed: ReadonlySet<string>): readonly Block[] =>
  blocks.filter((b) => claimed.has(b.component));

/** How many addresses these components should have where nobody has said which subnet: half of them for what is given back. */
export const ampleFor = (needs: readonly BlockNeed[]): number =>
  needs.reduce((n, { most }) => n + powerOfTwo(Math.max(16, 2 * most)), 16);

/** The lowest numbers of a block that are not taken. */
export function lowestFree(
  { from, to }: Pick<Block, 'from' | 'to'>,
  taken: ReadonlySet<number>,
  count: number,
) {
  const found: number[] = [];
  for (let offset = from; offset < to && found.length < count; offset++)
    if (!taken.has(offset)) found.push(offset);
  return found;
}

const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)));

const freeOf = (end: number, blocks: readonly Block[]) =>
  end - FIRST_OFFSET - blocks.reduce((n, b) => n + b.to - b.from, 0);

/** An aligned block is one subnet, and so one line in the rules of others. */
function firstFit(end: number, blocks: readonly Block[], size: number, aligned: boolean): number | undefined {
  const up = (n: number) => (aligned ? Math.ceil(n / size) * size : n);
  const starts = [FIRST_OFFSET, ...blocks.map((b) => b.to)].map(up).sort((a, b) => a - b);
  return starts.find(
    (from) => from + size <= end && blocks.every((b) => from + size <= b.from || b.to <= from),
  );
}
