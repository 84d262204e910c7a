import type { Packing, PackingProblem } from '../../domain/placement/packing/problem';

/** The item with the largest share of a host in any dimension first, each on the first host that has room for it. */
export function firstFitDecreasing({ items, dimensions, need, capacity }: PackingProblem): Packing {
  const share = new Float64Array(items);
  for (let item = 0; item < items; item++)
    for (let d = 0; d < dimensions; d++)
      share[item] = Math.max(
        share[item] as number,
        (need[item * dimensions + d] as number) / (capacity[d] as number),
      );
  const order = Int32Array.from(share.keys()).sort(
    (a, b) => (share[b] as number) - (share[a] as number) || a - b,
  );
  const left = new Float64Array(items * dimensions);
  const hostOf = new Int32Array(items);
  const least = capacity.map((_, d) => {
    let min = Infinity;
    for (let item = 0; item < items; item++) min = Math.min(min, need[item * dimensions + d] as number);
    return min;
  });
  const full = (host: number) => least.some((min, d) => (left[host * dimensions + d] as number) < min);
  /** Hosts into which nothing fits any more are not asked: the answer is the same. */
  let open: number[] = [];
  let hosts = 0;
  for (const item of order) {
    const fits = (host: number) => {
      for (let d = 0; d < dimensions; d++)
        if ((need[item * dimensions + d] as number) > (left[host * dimensions + d] as number)) return false;
      return true;
    };
    let host = open.find(fits);
    if (host === undefined) {
      host = hosts++;
      left.set(capacity, host * dimensions);
      open.push(host);
    }
    for (let d = 0; d < dimensions; d++)
      left[host * dimensions + d] =
        (left[host * dimensions + d] as number) - (need[item * dimensions + d] as number);
    hostOf[item] = host;
    if (full(host)) open = open.filter((h) => h !== host);
  }
  return { hostOf, hosts };
}

/** Host after host, each time the item whose need goes best with what is left, each dimension weighted by what is asked of it. */
export function dotProduct({ items, dimensions, need, capacity }: PackingProblem): Packing {
  const weight = capacity.map((has, d) => {
    let sum = 0;
    for (let item = 0; item < items; item++) sum += need[item * dimensions + d] as number;
    return sum / has / items / has / has;
  });
  const hostOf = new Int32Array(items);
  const waiting = Int32Array.from(hostOf.keys());
  let count = items;
  let hosts = 0;
  for (; count > 0; hosts++) {
    const left = capacity.slice();
    for (;;) {
      let [best, most] = [-1, -1];
      for (let at = 0; at < count; at++) {
        const cell = (waiting[at] as number) * dimensions;
        let match = 0;
        for (let d = 0; d < dimensions; d++) {
          const amount = need[cell + d] as number;
          if (amount > (left[d] as number)) {
            match = -1;
            break;
          }
          match += amount * (left[d] as number) * (weight[d] as number);
        }
        if (match > most) [best, most] = [at, match];
      }
      if (best < 0) break;
      const item = waiting[best] as number;
      for (let d = 0; d < dimensions; d++)
        left[d] = (left[d] as number) - (need[item * dimensions + d] as number);
      hostOf[item] = hosts;
      waiting[best] = waiting[--count] as number;
    }
  }
  return { hostOf, hosts };
}
