import { FAULTS } from './faults';
import type { Step } from './plan';
import type { RunResult } from './run';
import type { Settled } from './settle';
import type { Did } from './world';

type Tally = Record<string, Record<string, number>>;

const IS_FAULT = new Set(FAULTS.map((f) => f.name));

/** What was done and what came of it, counted. */
export class Counts {
  private readonly actions: Tally = {};
  private readonly faults: Tally = {};
  private readonly operations: Tally = {};
  private readonly reasons: Record<string, number> = {};
  private retries = 0;
  private settleMillis = 0;

  step({ kind }: Step, did: Did): void {
    add(IS_FAULT.has(kind) ? this.faults : this.actions, kind, did.outcome);
  }

  settled({ operations, retries, millis }: Settled): void {
    for (const { kind, state, code } of operations) {
      add(this.operations, kind, state);
      if (code) this.reasons[code] = (this.reasons[code] ?? 0) + 1;
    }
    this.retries += retries;
    this.settleMillis += millis;
  }

  told() {
    const { actions, faults, operations, reasons, retries, settleMillis } = this;
    return { actions, faults, operations, reasons, retries, settleMillis };
  }

  table({ done, millis, settles, struck, violations }: RunResult): string {
    const perSecond = (done / (millis / 1_000)).toFixed(1);
    return [
      ...lines('actions', this.actions),
      ...lines('faults', this.faults),
      ...lines('verbs that met a fault', { 'by fault': struck }),
      ...lines('operations by how they ended', this.operations),
      ...lines('why they were undone', { 'error codes': this.reasons }),
      `${done} steps in ${Math.round(millis / 1_000)} s (${perSecond} a second, of which ` +
        `${Math.round(this.settleMillis / 1_000)} s settling), ${settles} checks, ` +
        `${this.retries} retries of what was stuck, ${violations.length} violations`,
    ].join('\n');
  }
}

function add(tally: Tally, row: string, column: string): void {
  const columns = tally[row] ?? {};
  tally[row] = { ...columns, [column]: (columns[column] ?? 0) + 1 };
}

function lines(title: string, tally: Tally): string[] {
  const rows = Object.entries(tally).sort(([a], [b]) => (a < b ? -1 : 1));
  const cells = (columns: Record<string, number>) =>
    Object.entries(columns)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, n]) => `${n} ${name}`)
      .join(', ');
  return [title, ...rows.map(([row, columns]) => `  ${row.padEnd(24)} ${cells(columns)}`)];
}
