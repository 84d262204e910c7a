import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { registerAdmitCommand } from './commands/admit';
import { registerAlgorithmCommands } from './commands/algorithm';
import { registerApplyCommands } from './commands/apply';
import { registerCapacityCommand } from './commands/capacity';
import { registerExplainCommand } from './commands/explain';
import { registerFailoverCommand } from './commands/failover';
import { registerImageCommands } from './commands/images';
import { registerLicenceCommands } from './commands/licences';
import { registerMaintenanceCommands } from './commands/maintenance';
import { registerNetworkCommands } from './commands/networks';
import { registerOperationCommands } from './commands/operations';
import { registerPolicyCommands } from './commands/policy';
import { registerReadCommands } from './commands/reads';
import { registerRebalanceCommand } from './commands/rebalance';
import { registerReconcileCommand } from './commands/reconcile';
import { registerReservationCommands } from './commands/reservation';
import { registerRoutineCommands } from './commands/routine';
import { registerServiceCommands } from './commands/services';
import { registerSizingCommand } from './commands/sizing';
import { registerSpareCommands } from './commands/spare';
import { registerSystemCommands } from './commands/system';
import { registerTopCommand } from './commands/top';
import { completionScript, isShell } from './completion';
import { registerDemo } from './demo/command';
import { CliError, codeOf, EXIT } from './exit-codes';
import { printJson } from './output';

export function createProgram(): Command {
  const program = new Command('sluice')
    .description(
      'Runs service applications on virtual execution environments, and picks up exactly where it was after any crash.',
    )
    .version('0.1.0')
    .option('--json', 'machine-readable output')
    .option(
      '--data-dir <dir>',
      'where a local site keeps its state',
      (dir: string) => resolve(dir),
      resolve(process.env.SLUICE_DATA_DIR ?? '.sluice'),
    )
    .option('--url <url>', 'the API (default: SLUICE_URL, else the local site)')
    .option('--token <token>', 'who you are (default: SLUICE_TOKEN, else the local site’s operator)')
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .showHelpAfterError('(see: sluice --help)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 the operation failed, 2 usage, 3 not found, 4 denied, 5 conflict, 6 infeasible, 7 unavailable.',
    );
  registerSystemCommands(program);
  registerApplyCommands(program);
  registerServiceCommands(program);
  registerMaintenanceCommands(program);
  registerReconcileCommand(program);
  registerRebalanceCommand(program);
  registerCapacityCommand(program);
  registerAdmitCommand(program);
  registerExplainCommand(program);
  registerFailoverCommand(program);
  registerPolicyCommands(program);
  registerAlgorithmCommands(program);
  registerSpareCommands(program);
  registerLicenceCommands(program);
  registerImageCommands(program);
  registerReservationCommands(program);
  registerNetworkCommands(program);
  registerSizingCommand(program);
  registerTopCommand(program);
  registerRoutineCommands(program);
  registerReadCommands(program);
  registerOperationCommands(program);
  registerDemo(program);
  program
    .command('completion <shell>')
    .description('print a completion script for bash, zsh or fish')
    .action((shell: string) => {
      if (!isShell(shell))
        throw new CliError(`No completion for "${shell}": take bash, zsh or fish.`, EXIT.usage);
      console.log(completionScript(program, shell));
    });
  return program;
}

/** Runs a command line. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  const program = createProgram();
  for (const command of everyCommand(program)) command.exitOverride();
  const json = argv.includes('--json');
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError) {
      const code = error.exitCode === 0 ? EXIT.done : EXIT.usage;
      if (json && code !== EXIT.done) printError(error.message, code);
      return code;
    }
    if (error instanceof CliError) {
      // What failed was printed as the answer already when the error itself says nothing.
      if (json && error.message) printError(error.message, error.exitCode, error.problem);
      else if (error.message) console.error(error.message);
      return error.exitCode;
    }
    if (json) printError((error as Error).message, EXIT.operationFailed);
    else console.error(`Unexpected: ${(error as Error).message}`);
    if (process.env.SLUICE_LOG_LEVEL === 'debug') console.error(error);
    return EXIT.operationFailed;
  }
}

/** One shape, whoever says no: the problem of the API, or one like it. */
function printError(message: string, exitCode: number, problem?: Readonly<Record<string, unknown>>): void {
  printJson({ ...(problem ?? { code: codeOf(exitCode), detail: message }), exitCode });
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}
