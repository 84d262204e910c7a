import type { BatchContents, BatchVee } from '../../domain/service/batches';
import type { StateVerb } from '../../domain/vee/state-machine';
import { site } from '../lib/activities';
import { type BatchInput, runBatch } from '../lib/batch';
import { Gathering } from '../lib/gathering';
import { actAndCommit, INVERSE } from '../lib/vee-transition';

type Change = Pick<BatchVee, 'veeId'> & { readonly verb: StateVerb };
type Changing = BatchVee & Change;

/** Stills the VEEs of a batch, or brings them back: each by the verb that the list has for it. */
export function changeBatch(input: BatchInput): Promise<void> {
  const { operationId } = input.operation;
  const commits = new Gathering<Change>((changes) => site.commitStates({ operationId, changes }));
  return runBatch(input, {}, async (batch, contents) => {
    const changes = changing(contents).flat().map(toChange);
    await batch.step({ name: 'lock', run: () => site.lockVees({ operationId, changes }) });
    await batch.each(changing(contents), (vee) =>
      actAndCommit(batch, vee, vee.verb, { commit: () => commits.add(toChange(vee)), revert: nothing }),
    );
  });
}

/** Brings the VEEs of a batch back to what they were, however far `changeBatch` came, and gives their locks back. */
export function takeBackChange(input: BatchInput): Promise<void> {
  const { operationId } = input.operation;
  const reverts = new Gathering<Change>((changes) => site.revertStates({ operationId, changes }));
  return runBatch(input, {}, async (batch, contents) => {
    const touched = new Set(
      await batch.step({
        name: 'find what was begun',
        run: () => site.listTouched({ operationId, veeIds: contents.groups.flat().map((v) => v.veeId) }),
      }),
    );
    const groups = changing(contents).map((group) => group.filter((vee) => touched.has(vee.veeId)));
    await batch.each([...groups].reverse(), (vee) =>
      batch.takeBack((steps) =>
        actAndCommit(steps, vee, vee.verb, {
          commit: nothing,
          revert: () => reverts.add({ veeId: vee.veeId, verb: INVERSE[vee.verb] }),
        }),
      ),
    );
    await batch.step({
      name: 'unlock',
      run: () => site.unlockVees({ operationId, veeIds: groups.flat().map((v) => v.veeId) }),
    });
  });
}

const toChange = ({ veeId, verb }: Changing): Change => ({ veeId, verb });

const nothing = async () => undefined;

function changing({ groups }: BatchContents): Changing[][] {
  return groups.map((group) => group.flatMap((vee) => (vee.verb ? [{ ...vee, verb: vee.verb }] : [])));
}
