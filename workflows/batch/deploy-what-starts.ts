import { site } from '../lib/activities';
import { type BatchInput, runBatch } from '../lib/batch';
import { makeVee } from '../lib/deploy';
import { BARRED, componentsOf, type GivenUp, givenUp } from '../lib/deploy-what-starts';
import { summarise } from '../lib/failure';
import { Gathering } from '../lib/gathering';
import { inParallel } from '../lib/parallel';
import { toMake } from './deploy';

/**
 * Makes the VEEs of a batch run as far as they do: one that fails is taken back and given up alone, and what depends
 * on its component is not started. Run again after a failure, it counts what was given up then.
 * @returns the VEEs that were given up
 */
export function deployWhatStartsBatch(input: BatchInput): Promise<GivenUp[]> {
  const { operationId, serviceId } = input.operation;
  const activations = new Gathering((veeIds: GivenUp['veeId'][]) =>
    site.activateVees({ operationId, veeIds: veeIds.flatMap((id) => id ?? []) }),
  );
  return runBatch(input, { withTemplates: true }, async (batch, contents) => {
    const failures = contents.gone.map((vee) => givenUp(vee, GIVEN_UP_BEFORE));
    let barred = input.barred ?? [];
    const bar = async () => {
      const components = componentsOf(failures);
      const dependants = await batch.step({
        name: 'dependants',
        run: () => site.dependantsOf({ serviceId, components }),
      });
      barred = [...new Set([...barred, ...dependants])];
    };
    const giveUp = (given: readonly GivenUp[]) => {
      const veeIds = given.flatMap((f) => f.veeId ?? []);
      return batch.step({ name: 'give up', run: () => site.giveUpVees({ operationId, veeIds }) });
    };
    if (failures.length > 0) {
      // The earlier run may have ended between the record and what hangs on it.
      await giveUp(failures);
      await bar();
    }
    for (const group of contents.groups) {
      const fresh: GivenUp[] = [];
      await inParallel(group, async (vee) => {
        if (barred.includes(vee.component)) {
          fresh.push(givenUp(vee, BARRED));
          return;
        }
        const make = toMake(input, contents, vee);
        try {
          await makeVee(batch, make, (veeId) => activations.add(veeId));
        } catch (error) {
          if (batch.isCancelled) throw error;
          await batch.takeBack((steps) => makeVee(steps, make, async () => undefined));
          fresh.push(givenUp(vee, summarise(error)));
        }
      });
      if (fresh.length === 0) continue;
      await giveUp(fresh);
      failures.push(...fresh);
      if (group !== contents.groups.at(-1)) await bar();
    }
    return failures;
  });
}

const GIVEN_UP_BEFORE = {
  code: 'vee-not-ready' as const,
  detail: 'It was given up when its batch ran before.',
};
