import { ApplicationFailure } from '@temporalio/workflow';
import type { HostOperationInput, OperationNote, OperationOutcome } from '../../domain/operation/operation';
import { site, siteWait } from '../lib/activities';
import { runChild } from '../lib/children';
import { type Operation, runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';

/**
 * Empties a host for maintenance. Nothing new comes to it; what is there is moved by an operation for each service,
 * so that a service's own lock, order and constraints hold. It completes only when neither the records nor the
 * host's driver know of anything there. Cancelled, it stops asking for more, lets what is under way come to its
 * end or go back, and leaves the host as open as it was: every VEE runs somewhere.
 */
export function drainHost(input: HostOperationInput): Promise<OperationOutcome> {
  const { operationId, hostId } = input;
  const { immovable = 'ask' } = input.params;
  return runOperation(input, async (operation) => {
    await operation.step({
      name: 'close',
      undo: () => site.abandonMaintenance({ operationId, hostId }),
      run: () => site.beginMaintenance({ operationId, hostId }),
    });
    const rounds = new Rounds(operation, input);
    await rounds.untilNothingMoves('service.migrate');
    if (immovable === 'restart' && rounds.left > 0) await rounds.untilNothingMoves('service.relocate');
    if (immovable !== 'ignore' && rounds.left > 0) await rounds.askOperator();
    await operation.step({
      name: 'verify',
      patient: true,
      run: () => siteWait().verifyDrained({ operationId, hostId, tolerated: immovable === 'ignore' }),
    });
  });
}

/** VEEs leave in rounds: a target may be lost meanwhile, and new ones may still have been on their way here. */
class Rounds {
  left = Number.POSITIVE_INFINITY;
  private readonly operation: Operation;
  private readonly input: HostOperationInput;
  private serial = 0;
  private asked = false;

  constructor(operation: Operation, input: HostOperationInput) {
    this.operation = operation;
    this.input = input;
  }

  /** Goes on while each round gets something away. */
  async untilNothingMoves(kind: 'service.migrate' | 'service.relocate'): Promise<void> {
    let before = Number.POSITIVE_INFINITY;
    for (;;) {
      await this.round(kind);
      if (this.left === 0 || this.left >= before) return;
      before = this.left;
    }
  }

  /** Nothing more moves by itself: names what is left, and tries once more on the operator's word. */
  async askOperator(): Promise<void> {
    await this.operation.step({
      name: 'move the rest',
      patient: true,
      run: async () => {
        const { hostId } = this.input;
        if (this.asked) await this.round('service.migrate');
        this.asked = true;
        const rest = await site.listOccupants({ hostId });
        if (rest.length === 0) return;
        const named = rest.map((o) => `${o.vees} of ${o.name}`).join(', ');
        throw ApplicationFailure.nonRetryable(
          `${hostId} still has ${named}; the operation’s notes say why. Make room elsewhere, or resume, ` +
            'move or end them, and retry; or cancel and drain with immovable "restart" or "ignore".',
          'drain-incomplete',
        );
      },
    });
  }

  private async round(kind: 'service.migrate' | 'service.relocate'): Promise<void> {
    const { operationId, hostId } = this.input;
    const round = ++this.serial;
    const occupants = await this.operation.step({
      name: `list (round ${round})`,
      run: () => site.listOccupants({ hostId }),
    });
    this.left = 0;
    /** Why those that are still there are. */
    const notes: OperationNote[] = [];
    if (occupants.length === 0) this.operation.replaceNotes(notes);
    await inParallel(occupants, async ({ serviceId, name }) => {
      const key = `${kind}/${serviceId}/${round}`;
      const params = {
        fromHostId: hostId,
        partial: true,
        ...(kind === 'service.relocate' ? { cause: 'forced' as const } : {}),
      };
      const verb = kind === 'service.migrate' ? 'move' : 'restart elsewhere';
      const end = await runChild(this.operation, `${verb} ${name} (round ${round})`, {
        key,
        kind,
        serviceId,
        params,
      });
      const { remaining } = await this.operation.step({
        name: `note ${name} (round ${round})`,
        run: () => site.noteDeparted({ operationId, hostId, serviceId, key }),
      });
      this.left += remaining.length;
      notes.push(
        ...remaining.map(({ about, veeId }) => ({
          about: `${name}/${about}`,
          veeId,
          error: end.notes?.find((n) => n.veeId === veeId)?.error ??
            end.error ?? { code: 'conflict', detail: 'It came while others were moved.' },
        })),
      );
      this.operation.replaceNotes(notes);
    });
  }
}
