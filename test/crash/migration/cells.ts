import type { TransferOffer } from '../../../drivers/contract';
import type { MigrationPhase } from '../../../drivers/qemu/host';
import type { Lab, Side } from './lab';

export const PHASES: readonly MigrationPhase[] = [
  'prepare',
  'mirror',
  'memory',
  'pre-switchover',
  'switch-over',
  'received',
  'resume',
  'finish',
];
export const VICTIMS = ['source agent', 'target agent', 'source qemu', 'target qemu'] as const;
export type Victim = (typeof VICTIMS)[number];

export interface Cell {
  readonly phase: MigrationPhase;
  readonly victim: Victim;
}

export interface CellResult extends Cell {
  readonly outcome: 'completed' | 'undone' | 'stuck';
  /** Began anew: its memory was only in the process that was killed. */
  readonly counter: 'continued' | 'began anew';
  readonly millis: number;
  readonly findings: readonly string[];
}

export const allCells = (): Cell[] => PHASES.flatMap((phase) => VICTIMS.map((victim) => ({ phase, victim })));

/** The only copy of its memory is there: nothing can bring that back. */
const hasOnlyMemory = ({ phase, victim }: Cell): boolean => {
  const later = PHASES.indexOf(phase) >= PHASES.indexOf('resume');
  const sent = PHASES.indexOf(phase) >= PHASES.indexOf('switch-over');
  return victim === 'target qemu' ? later : victim === 'source qemu' && !sent;
};

/** Kills one of the four while a migration is in that phase, and does what its workflow would do then. */
export async function runCell(lab: Lab, cell: Cell): Promise<CellResult> {
  const began = performance.now();
  const before = await lab.counter();
  const [side, what] = cell.victim.split(' ') as [Side, 'agent' | 'qemu'];
  // As they are when it begins: once it has moved, its target is where it is.
  const agents = { source: lab.agent('source'), target: lab.agent('target') };
  const { veeId } = lab.vee;
  let struck = false;
  lab.onPhase = async (phase) => {
    if (struck || phase !== cell.phase) return;
    struck = true;
    if (what === 'agent') agents[side].kill();
    else process.kill(await agents[side].pid(veeId), 'SIGKILL');
  };
  const outcome = await migrate(lab);
  const findings = struck ? [] : ['the phase was not reached'];
  if (outcome === 'stuck') findings.push('neither went on nor back');
  // One that has ended because its only process was killed is started again, as its service would have it.
  if (hasOnlyMemory(cell)) await lab.agent('source').insist('start', lab.vee);
  findings.push(...(await lab.findings()));
  const after = await lab.counter();
  const counter = after >= before ? 'continued' : 'began anew';
  if (counter === 'began anew' && !hasOnlyMemory(cell))
    findings.push(`its counter fell from ${before} to ${after}`);
  return { ...cell, outcome, counter, millis: Math.round(performance.now() - began), findings };
}

/** The steps of `workflows/vee/migrate.ts`, with their undos in their order. */
async function migrate(lab: Lab): Promise<CellResult['outcome']> {
  const { vee } = lab;
  const next = { ...vee, epoch: lab.nextEpoch() };
  const [source, target] = [lab.agent('source'), lab.agent('target')];
  const [from, to] = [source, target].map((agent) => agent.dataDir.split('/').at(-1));
  try {
    const offer = (await target.insist('prepareTarget', next, from)) as TransferOffer;
    await source.insist('send', vee, offer, { to });
    await target.insist('switchOver', next);
  } catch {
    try {
      await target.insist('cancel', next, 'target');
      await source.insist('cancel', vee, 'source');
      return 'undone';
    } catch {
      return 'stuck';
    }
  }
  lab.moved(next);
  return source.insist('finish', next).then(
    () => 'completed',
    () => 'stuck',
  );
}
