/** Values by key, read in the order of their keys. */
export interface Kept<V> {
  set(key: string, value: V): void;
  /** What was kept under these keys gives way to these entries, which are among them; the rest is gone. */
  replace(keys: readonly string[], entries: readonly (readonly [string, V])[]): void;
  /** All of them. What is returned never changes: what is set later is in a later one. */
  values(): readonly V[];
}

/** Few of many change at a time: putting a hundred thousand in order anew for each would take longer than all else. */
export class KeptInOrder<V> implements Kept<V> {
  private readonly byKey = new Map<string, V>();
  private keys: string[] = [];
  private inOrder: readonly V[] = [];
  private readonly stale = new Set<string>();

  set(key: string, value: V): void {
    this.byKey.set(key, value);
    this.stale.add(key);
  }

  replace(keys: readonly string[], entries: readonly (readonly [string, V])[]): void {
    for (const key of keys) {
      this.byKey.delete(key);
      this.stale.add(key);
    }
    for (const [key, value] of entries) this.set(key, value);
  }

  values(): readonly V[] {
    if (this.stale.size === 0) return this.inOrder;
    const fresh = [...this.stale].sort(compare);
    const keys: string[] = [];
    const values: V[] = [];
    let next = 0;
    const take = (key: string) => {
      const value = this.byKey.get(key);
      if (value === undefined) return;
      keys.push(key);
      values.push(value);
    };
    for (const [i, key] of this.keys.entries()) {
      while (next < fresh.length && compare(fresh[next] as string, key) < 0) take(fresh[next++] as string);
      if (fresh[next] === key) take(fresh[next++] as string);
      else {
        keys.push(key);
        values.push(this.inOrder[i] as V);
      }
    }
    while (next < fresh.length) take(fresh[next++] as string);
    this.keys = keys;
    this.inOrder = values;
    this.stale.clear();
    return values;
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
