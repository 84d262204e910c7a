import { isServiceWide, type OperationInput, type OperationKind } from './operation';

/**
 * What may run beside what, for operations on the same service, on the same host, or on the site. One table for
 * everybody: the entity workflow that admits an operation reads it, and so does the page in docs/operations/.
 */
export type Verdict =
  /** Both may run at once. */
  | 'together'
  /** The one that was asked for later waits for the other's end. */
  | 'queue'
  /** It is refused, naming the other: who asked must decide. */
  | 'refuse';

type Asked = Pick<OperationInput, 'operationId' | 'kind' | 'veeId' | 'parentId' | 'params'>;

/** @param held runs already, or was queued earlier */
export function verdict(asked: Asked, held: Asked): Verdict {
  if (asked.kind.startsWith('site.')) return betweenSiteOperations(asked.kind, held.kind);
  if (asked.kind.startsWith('host.')) return betweenHostOperations(asked.kind, held.kind);
  if (held.kind === 'service.decommission') return 'refuse';
  if (!excludes(asked, held)) return 'together';
  // Nobody can be expected to know what the site asked for by itself, nor can the site be told to come back later.
  if (isOfTheSite(asked) || isOfTheSite(held)) return 'queue';
  return sameArray(asked, held) ? 'queue' : 'refuse';
}

/** Of two scalings of one array that both still wait only the later one counts: the latest intent wins. */
export function supersedes(asked: Asked, queued: Asked): boolean {
  return sameArray(asked, queued);
}

const isOfTheSite = (op: Asked) => op.parentId !== undefined;

const sameArray = (a: Asked, b: Asked) =>
  a.kind === 'service.scale' && b.kind === 'service.scale' && a.params.component === b.params.component;

/**
 * Two operations may run together only on different VEEs, and none beside one of the whole service. A
 * migration chooses a place by where the others are, so it counts as one of the whole service.
 */
function excludes(a: Asked, b: Asked): boolean {
  const placing = (op: Asked) => isServiceWide(op.kind) || op.kind === 'vee.migrate';
  return placing(a) || placing(b) || a.veeId === b.veeId;
}

const OF_ITSELF: readonly OperationKind[] = ['site.reconcile', 'site.rebalance'];

/**
 * A reconciliation ends soon by itself, a rebalance once something waits for it, and nobody can be expected to know that the
 * site is at one. Those two run beside each other: each asks for operations on services, and those respect one another.
 */
function betweenSiteOperations(asked: OperationKind, held: OperationKind): Verdict {
  if (!OF_ITSELF.includes(held)) return 'refuse';
  if (asked !== held && OF_ITSELF.includes(asked)) return 'together';
  return asked === 'site.rebalance' ? 'refuse' : 'queue';
}

/**
 * A host may be lost while it is drained: what is left there is recovered, and the drain then finds it empty. Or while
 * it is restored: what was to come back waits for it, until it is fenced. A host that is being recovered is not up,
 * so it can't be restored.
 */
function betweenHostOperations(asked: OperationKind, held: OperationKind): Verdict {
  if (asked === 'host.recover') return held === 'host.recover' ? 'refuse' : 'together';
  return asked === 'host.drain' && held === 'host.recover' ? 'together' : 'refuse';
}
