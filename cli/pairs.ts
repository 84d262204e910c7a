import { CliError, EXIT } from './exit-codes';

/** For an option that may be given again and again. */
export const collected = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** @throws CliError with the usage code for what is not KEY=VALUE */
export function pairsOf(option: string, given: readonly string[]): [key: string, value: string][] {
  return given.map((pair) => {
    const [key, ...value] = pair.split('=');
    if (!key || value.length === 0)
      throw new CliError(`${option} takes KEY=VALUE, not "${pair}".`, EXIT.usage);
    return [key, value.join('=')];
  });
}
