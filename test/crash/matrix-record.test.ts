import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scenarioNamed } from '../operations/scenarios';
import type { CellResult } from './matrix/batch';
import { MatrixRecord } from './matrix/record';

describe('the record of a crash matrix', () => {
  let folder: string;
  let file: string;
  const cell = (occurrence: number): CellResult['cell'] => ({
    scenario: scenarioNamed('vee.pause'),
    undo: false,
    when: 'before',
    step: { role: 'site', activity: 'commit', occurrence },
    target: 'site',
  });
  const result = (occurrence: number, fault?: string): CellResult => ({
    cell: cell(occurrence),
    outcome: 'completed',
    movedAfterMillis: 12,
    ...(fault ? { fault } : {}),
  });
  const found = (record: MatrixRecord) => [1, 2, 3].map((n) => record.find(cell(n)));

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-record-'));
    file = join(folder, 'record.jsonl');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('goes on where it ended, and what was red stays red', () => {
    MatrixRecord.open(file, 'b1').add([result(1), result(2, 'it hangs')]);
    const again = MatrixRecord.open(file, 'b1');
    expect(found(again)).toEqual([result(1), result(2, 'it hangs'), undefined]);
    again.add([result(3)]);
    expect(found(MatrixRecord.open(file, 'b1'))).toEqual([result(1), result(2, 'it hangs'), result(3)]);
  });

  it('takes no line after one that a kill has torn', () => {
    MatrixRecord.open(file, 'b1').add([result(1)]);
    appendFileSync(file, '{"cell":"vee.pause bef');
    const again = MatrixRecord.open(file, 'b1');
    expect(found(again)).toEqual([result(1), undefined, undefined]);
    again.add([result(2)]);
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(4);
    expect(found(MatrixRecord.open(file, 'b1'))).toEqual([result(1), result(2), undefined]);
  });

  it('of another build is refused: cells that other code passed prove nothing', () => {
    MatrixRecord.open(file, 'b1').add([result(1)]);
    const before = readFileSync(file, 'utf8');
    expect(() => MatrixRecord.open(file, 'b2')).toThrow(/holds the cells of another build/);
    expect(readFileSync(file, 'utf8')).toBe(before);
    writeFileSync(file, '');
    expect(() => MatrixRecord.open(file, 'b2')).toThrow(/another build/);
  });
});
