/** So many VEEs are worked on at once: measured as the quickest fan-out on one Temporal history shard. */
const WINDOW = 50;

/**
 * Runs a task for each item, at most `window` at a time. After a failure no new task starts; those under
 * way are awaited, and then the first failure is thrown. Nothing is left running behind the caller's back,
 * which is what makes it safe to undo next.
 */
export async function inParallel<T>(
  items: readonly T[],
  task: (item: T) => Promise<void>,
  window = WINDOW,
  onFailure?: (error: unknown) => void,
): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const lane = async () => {
    while (failures.length === 0) {
      const item = queue.shift();
      if (item === undefined) return;
      try {
        await task(item);
      } catch (error) {
        failures.push(error);
        onFailure?.(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(window, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
}
