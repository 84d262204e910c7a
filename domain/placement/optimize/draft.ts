import { NOWHERE, type Placement, type Problem, placeCostOf, type Rule } from './problem';

/** Of rules that treat all alike. */
const NONE = new Int32Array(0);

/**
 * A placement that is being changed, with what each host and each rule has counted so far, so that one more question is
 * cheap. Mutable, private to one search; what comes out of it is verified apart from it.
 */
export class Draft {
  readonly problem: Problem;
  readonly hostOf: Int32Array;
  /** What is left of each host. */
  readonly left: Float64Array;
  /** How many items a host has. */
  readonly count: Int32Array;
  /** The items of a host, in no order. */
  readonly itemsOn: readonly number[][];
  cost = 0;
  moves = 0;
  unplaced = 0;
  /** Where an item is in the list of its host. */
  private readonly position: Int32Array;
  /** Of each item: where its entries in the two arrays below begin. */
  private readonly firstRule: Int32Array;
  private readonly ruleOf: Int32Array;
  private readonly positionOf: Int32Array;
  /** By rule: how many at a place, by colour where that matters, and of all colours. */
  private readonly byColour: readonly Int32Array[];
  private readonly total: readonly Int32Array[];
  /** By rule: how many anywhere. */
  private readonly all: Int32Array;
  /** By rule: at how many places anybody is where nobody was. */
  private readonly taken: Int32Array;
  /** Numbers of the rules by which items are spread. */
  private readonly spreads: readonly number[];

  /** With each item where it is now, which need not obey anything. */
  constructor(problem: Problem) {
    this.problem = problem;
    const { items, hosts, rules } = problem;
    this.hostOf = new Int32Array(items).fill(NOWHERE);
    this.left = problem.free.slice();
    this.count = new Int32Array(hosts);
    this.itemsOn = Array.from({ length: hosts }, () => []);
    this.position = new Int32Array(items);
    this.byColour = rules.map((r) => (r.kind === 'one-colour' ? r.resident.slice() : NONE));
    this.total = rules.map((r) => {
      const total = new Int32Array(r.places);
      for (const [cell, n] of r.resident.entries())
        total[cell % r.places] = (total[cell % r.places] ?? 0) + n;
      return total;
    });
    this.all = Int32Array.from(this.total, (t) => t.reduce((a, b) => a + b, 0));
    this.taken = new Int32Array(rules.length);
    this.spreads = [...rules.keys()].filter((n) => rules[n]?.kind === 'spread');
    this.firstRule = new Int32Array(items + 1);
    for (const r of rules)
      for (const item of r.items) this.firstRule[item + 1] = (this.firstRule[item + 1] ?? 0) + 1;
    for (let i = 0; i < items; i++)
      this.firstRule[i + 1] = (this.firstRule[i + 1] ?? 0) + (this.firstRule[i] ?? 0);
    const entries = this.firstRule[items] ?? 0;
    this.ruleOf = new Int32Array(entries);
    this.positionOf = new Int32Array(entries);
    const next = this.firstRule.slice();
    for (const [n, r] of rules.entries())
      for (const [position, item] of r.items.entries()) {
        const entry = next[item] ?? 0;
        this.ruleOf[entry] = n;
        this.positionOf[entry] = position;
        next[item] = entry + 1;
      }
    this.unplaced = items;
    for (let i = 0; i < items; i++)
      this.cost += this.problem.start[i] === NOWHERE ? 0 : (problem.moveCost[i] ?? 0);
    for (let i = 0; i < items; i++)
      this.moves += this.problem.start[i] === NOWHERE ? 0 : (problem.moves[i] ?? 0);
    for (const [item, host] of problem.start.entries()) if (host !== NOWHERE) this.put(item, host);
  }

  /** Is there room for it, as everything is now? */
  hasRoom(item: number, host: number): boolean {
    const { dimensions, need } = this.problem;
    const from = item * dimensions;
    const at = host * dimensions;
    for (let d = 0; d < dimensions; d++)
      if ((need[from + d] as number) > 0 && (need[from + d] as number) > (this.left[at + d] as number))
        return false;
    return true;
  }

  /** Do the rules let it be there, as everything is now? */
  isAllowed(item: number, host: number): boolean {
    const { problem } = this;
    if (problem.allowed[item * problem.hosts + host] !== 1) return false;
    const end = this.firstRule[item + 1] as number;
    for (let e = this.firstRule[item] as number; e < end; e++) {
      const n = this.ruleOf[e] as number;
      const rule = problem.rules[n] as Rule;
      const place = rule.placeOf[host] as number;
      const there = (this.total[n] as Int32Array)[place] as number;
      if (rule.kind === 'at-most') {
        if (there + (rule.counts[this.positionOf[e] as number] as number) > rule.most) return false;
      } else if (rule.kind === 'one-colour') {
        const colour = rule.colours[this.positionOf[e] as number] as number;
        if (there !== (this.byColour[n] as Int32Array)[colour * rule.places + place]) return false;
      } else if (rule.kind === 'together') {
        if ((this.all[n] as number) !== there) return false;
      } else if (rule.kind === 'few-places') {
        if (there === 0 && (this.taken[n] as number) >= rule.most) return false;
      } else {
        const then = there + (rule.counts[this.positionOf[e] as number] as number);
        if (then - Math.min(there, this.fewest(n)) > rule.most) return false;
      }
    }
    return true;
  }

  put(item: number, host: number): void {
    const { openCost, moveCost, moves, start, placeCost } = this.problem;
    if (this.count[host] === 0) this.cost += openCost[host] as number;
    if (placeCost) this.cost += placeCostOf(this.problem, item, host);
    if (start[item] === host) {
      this.cost -= moveCost[item] as number;
      this.moves -= moves[item] as number;
    } else if (start[item] === NOWHERE) {
      this.cost += moveCost[item] as number;
      this.moves += moves[item] as number;
    }
    this.unplaced--;
    this.hostOf[item] = host;
    this.position[item] = (this.itemsOn[host] as number[]).push(item) - 1;
    this.shift(item, host, 1);
  }

  /** Takes it off its host. */
  take(item: number): void {
    const { openCost, moveCost, moves, start, placeCost } = this.problem;
    const host = this.hostOf[item] as number;
    if (placeCost) this.cost -= placeCostOf(this.problem, item, host);
    this.shift(item, host, -1);
    const there = this.itemsOn[host] as number[];
    const last = there.pop() as number;
    if (last !== item) {
      const freed = this.position[item] as number;
      there[freed] = last;
      this.position[last] = freed;
    }
    this.hostOf[item] = NOWHERE;
    this.unplaced++;
    if (this.count[host] === 0) this.cost -= openCost[host] as number;
    if (start[item] === host) {
      this.cost += moveCost[item] as number;
      this.moves += moves[item] as number;
    } else if (start[item] === NOWHERE) {
      this.cost -= moveCost[item] as number;
      this.moves -= moves[item] as number;
    }
  }

  /** At how many places there are too many for what is spread: what is right when it is put there need not be in the end. */
  uneven(): number {
    let uneven = 0;
    for (const n of this.spreads) {
      const { most, resident } = this.problem.rules[n] as Rule;
      const fewest = this.fewest(n);
      for (const [place, there] of (this.total[n] as Int32Array).entries())
        if (there > (resident[place] as number) && there - fewest > most) uneven++;
    }
    return uneven;
  }

  private fewest(n: number): number {
    const total = this.total[n] as Int32Array;
    let fewest = Infinity;
    for (const place of (this.problem.rules[n] as Rule).open ?? NONE)
      fewest = Math.min(fewest, total[place] as number);
    return fewest;
  }

  placement(): Placement {
    return this.hostOf.slice();
  }

  private shift(item: number, host: number, sign: 1 | -1): void {
    const { dimensions, need, rules } = this.problem;
    for (let d = 0; d < dimensions; d++)
      this.left[host * dimensions + d] =
        (this.left[host * dimensions + d] as number) - sign * (need[item * dimensions + d] as number);
    this.count[host] = (this.count[host] as number) + sign;
    const end = this.firstRule[item + 1] as number;
    for (let e = this.firstRule[item] as number; e < end; e++) {
      const n = this.ruleOf[e] as number;
      const rule = rules[n] as Rule;
      const position = this.positionOf[e] as number;
      const by = sign * (rule.counts[position] as number);
      const place = rule.placeOf[host] as number;
      const total = this.total[n] as Int32Array;
      const before = total[place] as number;
      total[place] = before + by;
      if (rule.kind === 'few-places' && before * (before + by) === 0)
        this.taken[n] = (this.taken[n] as number) + sign;
      if (rule.kind === 'one-colour') {
        const byColour = this.byColour[n] as Int32Array;
        const cell = (rule.colours[position] as number) * rule.places + place;
        byColour[cell] = (byColour[cell] as number) + by;
      }
      this.all[n] = (this.all[n] as number) + by;
    }
  }
}
