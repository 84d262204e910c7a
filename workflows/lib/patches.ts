import { patched } from '@temporalio/workflow';

/**
 * Every change of what a running workflow does, in one register: a workflow that began before a patch goes the old
 * way to its end. An id is never used again, and is kept for as long as a history that is older may run or is committed
 * under test/replay/histories. How to add one: docs/upgrading.md.
 */
export const PATCHES = {
  batches: {
    id: 'service-batches',
    since: '0.1.0',
    reason: 'Services of more VEEs than a history can hold are worked on in batches, by child workflows.',
  },
  fencedHosts: {
    id: 'fenced-hosts',
    since: '0.1.0',
    reason: 'A host that is fenced is waited for no longer.',
  },
  suspendUndoesPhase: {
    id: 'service.suspend-undoes-phase',
    since: '0.1.0',
    reason: 'A service whose suspension is undone at its very end operates again.',
  },
  resumeUndoesPhase: {
    id: 'service.resume-undoes-phase',
    since: '0.1.0',
    reason: 'A service whose resumption is undone at its very end is suspended again.',
  },
  scaleUndoesCount: {
    id: 'service.scale-undoes-count',
    since: '0.1.0',
    reason: 'A scaling out that is undone at its very end gives the count back.',
  },
  resizeUndoesCommit: {
    id: 'vee.resize-undoes-commit',
    since: '0.1.0',
    reason: 'A resizing that is undone at its very end gives the recorded size back.',
  },
  relocateUndoesSupersede: {
    id: 'service.relocate-undoes-supersede',
    since: '0.1.0',
    reason: 'A VEE that could not be made anew counts again where it was, should its host come back.',
  },
  recoverInRounds: {
    id: 'host.recover-in-rounds',
    since: '0.1.0',
    reason: 'More VEEs than one relocation takes are recovered in several, while each gets some away.',
  },
  cancelAtTheEnd: {
    id: 'cancel-at-the-end',
    since: '0.1.0',
    reason: 'A cancel that was accepted during the last step undoes the operation.',
  },
  shrinkLast: {
    id: 'resize-gives-back-last',
    since: '0.1.0',
    reason:
      'What a VEE gives back is given back once it has shrunk for good, so that there is a way back until then.',
  },
  cancelSending: {
    id: 'cancel-sending',
    since: '0.1.0',
    reason:
      'A cancel does not wait until a VEE is sent: what is under way is aborted, and it runs on where it is.',
  },
  journalActivity: {
    id: 'journal-activity',
    since: '0.1.0',
    reason:
      'Progress is reported by activities, not by local ones: those do not outlast a workflow task that times out.',
  },
} as const;

/** Is this workflow new enough for it? The first call of a run decides, and is kept in its history. */
export const isPatched = (name: keyof typeof PATCHES): boolean => patched(PATCHES[name].id);
