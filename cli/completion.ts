import type { Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];
export const isShell = (name: string): name is Shell => (SHELLS as readonly string[]).includes(name);

interface Words {
  readonly path: string;
  readonly words: readonly string[];
}

/** For each command, by its path, what may follow it: subcommands and flags. Read off the program itself. */
function wordsOf(command: Command, path = ''): Words[] {
  const children = command.commands.map((c) => c.name());
  const flags = command.options.flatMap((o) => (o.long ? [o.long] : []));
  const here = { path, words: [...children, ...flags, '--help'] };
  return [
    here,
    ...command.commands.flatMap((c) => wordsOf(c, path === '' ? c.name() : `${path} ${c.name()}`)),
  ];
}

export function completionScript(program: Command, shell: Shell): string {
  const all = wordsOf(program);
  if (shell === 'fish')
    return all
      .flatMap(({ path, words }) => {
        const seen =
          path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.split(' ').at(-1)}`;
        return words.map((w) =>
          w.startsWith('--')
            ? `complete -c sluice -n '${seen}' -l ${w.slice(2)}`
            : `complete -c sluice -n '${seen}' -f -a ${w}`,
        );
      })
      .join('\n');
  const cases = all.map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`).join('\n');
  const body = `_sluice() {
  local path="" words="" w
  for w in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$w" in -*) ;; *) case " ${all.flatMap((a) => a.words.filter((w) => !w.startsWith('-'))).join(' ')} " in *" $w "*) path="\${path:+$path }$w" ;; esac ;; esac
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sluice sluice`;
  return shell === 'zsh' ? `autoload -U +X bashcompinit && bashcompinit\n${body}` : body;
}
