import type { Command } from 'commander';
import { upOptions } from '../commands/up-options';
import { globals } from '../context';
import type { DemoOptions } from './run';

export function registerDemo(program: Command): void {
  upOptions(
    program
      .command('demo')
      .description('the main job, from nothing to running services and back, on real engines'),
  )
    .option('--keep', 'leave the site and its services running', false)
    .action(async (options: DemoOptions, command: Command) => {
      const { demo } = await import('./run');
      await demo(options, globals(command));
    });
}
