import { type Client, ScheduleNotFoundError, WorkflowNotFoundError } from '@temporalio/client';
import { SluiceError } from '../domain/errors';
import type { OperationId, SiteId } from '../domain/ids';
import { scheduleId } from './schedule';

export const ROUTINE_NAMES = ['reconcile', 'rebalance', 'leases'] as const;
export type RoutineName = (typeof ROUTINE_NAMES)[number];

const LOOKS_FOR: Readonly<Record<RoutineName, string>> = {
  reconcile: 'whether to reconcile',
  rebalance: 'whether to rebalance',
  leases: 'at what ends and what is promised',
};

/** What a site looks for by itself, how that goes on, and what came of it. Times in milliseconds since 1970. */
export interface RoutineState {
  readonly name: RoutineName;
  /** 0 where the settings say never. */
  readonly everyMillis: number;
  readonly paused: boolean;
  /** Why, where somebody has said so. */
  readonly note?: string;
  readonly nextAt?: number;
  readonly last?: Look;
}

/** One look of a routine. */
export interface Look {
  readonly at: number;
  /** `unknown` where Temporal has forgotten how it ended. */
  readonly state: 'running' | 'completed' | 'failed' | 'unknown';
  /** How much there was to do; absent while it looks. */
  readonly found?: number;
  /** What it has asked for; absent where there was nothing to do. */
  readonly operationId?: OperationId;
}

/** What a look answers: see `workflows/site/look-for-….ts`. */
interface Answer {
  readonly found?: number;
  readonly moves?: number;
  readonly operationId?: OperationId;
}

/** The looks that a site takes by itself, which are Temporal Schedules. Each call is safe to repeat. */
export class Routines {
  private readonly client: Client;
  private readonly siteId: SiteId;

  constructor(client: Client, siteId: SiteId) {
    this.client = client;
    this.siteId = siteId;
  }

  all(): Promise<RoutineState[]> {
    return Promise.all(ROUTINE_NAMES.map((name) => this.get(name)));
  }

  async get(name: RoutineName): Promise<RoutineState> {
    try {
      const { spec, state, info } = await this.handle(name).describe();
      const { nextActionTimes, recentActions } = info;
      const [next] = nextActionTimes;
      const recent = recentActions.at(-1);
      return {
        name,
        everyMillis: Number(spec.intervals?.[0]?.every ?? 0),
        paused: state.paused,
        // When it is resumed the SDK writes one of its own.
        ...(state.paused && state.note ? { note: state.note } : {}),
        ...(next && !state.paused ? { nextAt: next.getTime() } : {}),
        ...(recent ? { last: await this.look(recent.takenAt, recent.action.workflow) } : {}),
      };
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      return { name, everyMillis: 0, paused: false };
    }
  }

  /** @throws SluiceError `transition-illegal` where the settings say never */
  pause(name: RoutineName, note: string): Promise<void> {
    return this.change(name, (handle) => handle.pause(note));
  }

  /** @throws SluiceError `transition-illegal` where the settings say never */
  resume(name: RoutineName): Promise<void> {
    return this.change(name, (handle) => handle.unpause());
  }

  /** Looks now, also while it is paused; not while it looks already. @throws SluiceError `transition-illegal` where the settings say never */
  run(name: RoutineName): Promise<void> {
    return this.change(name, (handle) => handle.trigger('SKIP'));
  }

  private handle(name: RoutineName) {
    return this.client.schedule.getHandle(scheduleId(this.siteId, { name }));
  }

  private async change(
    name: RoutineName,
    act: (handle: ReturnType<Routines['handle']>) => Promise<void>,
  ): Promise<void> {
    try {
      await act(this.handle(name));
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      const setting = `SLUICE_${name.toUpperCase()}_MILLIS`;
      throw new SluiceError(
        'transition-illegal',
        `The site never looks ${LOOKS_FOR[name]}: ${setting} is 0. Set it to how often it should.`,
      );
    }
  }

  private async look(at: Date, workflow: { workflowId: string; firstExecutionRunId: string }): Promise<Look> {
    const handle = this.client.workflow.getHandle(workflow.workflowId, workflow.firstExecutionRunId);
    try {
      const { status } = await handle.describe();
      if (status.name === 'RUNNING') return { at: at.getTime(), state: 'running' };
      if (status.name !== 'COMPLETED') return { at: at.getTime(), state: 'failed' };
      const { found, moves, operationId } = (await handle.result()) as Answer;
      return {
        ...{ at: at.getTime(), state: 'completed', found: found ?? moves ?? 0 },
        ...(operationId === undefined ? {} : { operationId }),
      };
    } catch (error) {
      // Its history is past its retention time.
      if (error instanceof WorkflowNotFoundError) return { at: at.getTime(), state: 'unknown' };
      throw error;
    }
  }
}
