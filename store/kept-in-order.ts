/** Beyond so many changes at once it is quicker to put all in order anew. */
const FEW = 500;

/** Values by key, read in the order of their keys: of a hundred thousand few change at a time. */
export class KeptInOrder<V> {
  private readonly byKey = new Map<string, V>();
  private keys: string[] = [];
  private inOrder: readonly V[] = [];
  private readonly stale = new Set<string>();

  set(key: string, value: V): void {
    this.byKey.set(key, value);
    this.stale.add(key);
  }

  /** What was kept under these keys gives way to these entries, which are among them; the rest is gone. */
  replace(keys: readonly string[], entries: readonly (readonly [string, V])[]): void {
    for (const key of keys) {
      this.byKey.delete(key);
      this.stale.add(key);
    }
    for (const [key, value] of entries) this.set(key, value);
  }

  /** All of them. What is returned never changes: what is set later is in a later one. */
  values(): readonly V[] {
    if (this.stale.size > FEW) this.putInOrder();
    else if (this.stale.size > 0) this.putInPlace();
    this.stale.clear();
    return this.inOrder;
  }

  private putInOrder(): void {
    const entries = [...this.byKey].sort(([a], [b]) => compare(a, b));
    this.keys = entries.map(([key]) => key);
    this.inOrder = entries.map(([, value]) => value);
  }

  private putInPlace(): void {
    const values = this.inOrder.slice();
    for (const key of this.stale) {
      const at = placeOf(key, this.keys);
      const known = this.keys[at] === key ? 1 : 0;
      const value = this.byKey.get(key);
      if (value !== undefined && known) values[at] = value;
      else {
        this.keys.splice(at, known, ...(value === undefined ? [] : [key]));
        values.splice(at, known, ...(value === undefined ? [] : [value]));
      }
    }
    this.inOrder = values;
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Where a key is in what is in order, or would have to be. */
function placeOf(key: string, keys: readonly string[]): number {
  let [from, to] = [0, keys.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((keys[middle] as string) < key) from = middle + 1;
    else to = middle;
  }
  return from;
}
