import type { Command } from 'commander';
import { endProcess } from '../../drivers/lib/process-identity';
import { holderOf } from '../../supervisor/data-lock';
import { clientOf, globals } from '../context';
import { CliError, EXIT } from '../exit-codes';
import { printJson, table } from '../output';
import { type UpOptions, upOptions } from './up-options';

/** How many VEEs run; undefined when nobody can tell any more. */
async function livingVees(command: Command): Promise<number | undefined> {
  try {
    return (await (await clientOf(command)).list('/v1/vees', { state: 'ACTIVE' })).length;
  } catch {
    return undefined;
  }
}

export function registerSystemCommands(program: Command): void {
  upOptions(
    program.command('up').description('start a whole site on this machine and keep it running'),
  ).action(async (options: UpOptions, command: Command) => {
    // Engines and all that: no other command has to load it.
    const { up } = await import('./up');
    await up(options, globals(command));
  });

  program
    .command('down')
    .description('stop the site that runs on this data directory; its VEEs keep running')
    .action(async (_options: unknown, command: Command) => {
      const { dataDir, json = false } = globals(command);
      const holder = await holderOf(dataDir);
      if (!holder) throw new CliError(`Nothing runs on ${dataDir}.`, EXIT.notFound);
      const vees = await livingVees(command);
      await endProcess(holder, 60_000);
      if (json) return printJson({ stopped: holder.pid, veesRunning: vees });
      console.log(`stopped process ${holder.pid}`);
      if (vees)
        console.log(
          `${vees} VEEs keep running. The next \`sluice up\` adopts them; to end them, delete their services first.`,
        );
    });

  program
    .command('status')
    .description('is the site up, and what does it run')
    .action(async (_options: unknown, command: Command) => {
      const client = await clientOf(command);
      const [ready, hosts, services, stuck, policy, spare, leases] = await Promise.all([
        client.get('/readyz'),
        client.list<{ liveness: string }>('/v1/hosts'),
        client.list<{ phase: string }>('/v1/services'),
        client.list<{ id: string }>('/v1/operations', { state: 'stuck' }),
        client.get<{ placement: { name: string }; switchedOut?: { name: string } }>('/v1/policies'),
        client.get<{ kept: boolean; lose?: string }>('/v1/policies/spare'),
        client.list<{ atRisk?: string }>('/v1/reservations', { living: 'true' }),
      ]);
      const living = services.filter((s) => s.phase !== 'decommissioned').length;
      const up = hosts.filter((h) => h.liveness === 'up').length;
      const facts = {
        api: client.url,
        ...ready,
        hostsUp: up,
        hosts: hosts.length,
        services: living,
        stuckOperations: stuck.length,
        placementPolicy: policy.switchedOut
          ? `${policy.placement.name}, as ${policy.switchedOut.name} was switched out`
          : policy.placement.name,
        reservationsAtRisk: leases.filter((l) => l.atRisk !== undefined).length,
        roomKeptForLossOf: spare.kept ? `any ${spare.lose}` : 'nothing',
      };
      if (globals(command).json) printJson(facts);
      else
        console.log(
          table(
            ['what', 'value'],
            Object.entries(facts).map(([k, v]) => [k, String(v)]),
          ),
        );
    });

  program
    .command('doctor')
    .description('what was found on this machine, what is missing, and the command that mends it')
    .action(async (_options: unknown, command: Command) => {
      const { diagnose } = await import('./doctor');
      const findings = await diagnose();
      if (globals(command).json) printJson({ ok: findings.every((f) => f.state !== 'missing'), findings });
      else
        console.log(
          table(
            ['what', 'state', 'found', 'mend'],
            findings.map((f) => [f.what, f.state, inShort(f.found), f.mend ?? '']),
          ),
        );
      if (findings.some((f) => f.state === 'missing')) throw new CliError('', EXIT.unavailable);
    });
}

/** A column that fits on a screen; `--json` has all of it. */
const MOST_FOUND = 90;
const inShort = (found: string): string =>
  found.length > MOST_FOUND ? `${found.slice(0, MOST_FOUND - 1)}…` : found;
