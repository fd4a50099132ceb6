/** completion: scripts for shells, made from the commands themselves. */
import type { Command } from 'commander';
import type { ResourceKind } from '../../src/model/config.ts';
import { CommandError } from '../errors.ts';

/** Commands whose first argument is a kind. */
const TAKE_KIND = ['get', 'describe', 'delete'];

interface Completable {
  /** `auth token create`. */
  readonly name: string;
  readonly words: readonly string[];
}

/** Every command with what may follow it. */
function completables(
  command: Command,
  kinds: readonly ResourceKind[],
  prefix: readonly string[] = [],
): Completable[] {
  const children = command.commands.map((child) => child.name());
  const options = command.options.flatMap(({ long, short }) =>
    [long, short].filter((word) => word !== undefined && word !== null),
  );
  const isKindTaker = prefix.length === 1 && TAKE_KIND.includes(prefix[0] ?? '');
  const plurals = isKindTaker ? kinds.map(({ plural }) => plural) : [];
  const others = prefix.join(' ') === 'describe' ? ['host', 'service'] : [];
  return [
    { name: prefix.join(' '), words: [...children, ...plurals, ...others, ...options, '--help'] },
    ...command.commands.flatMap((child) => completables(child, kinds, [...prefix, child.name()])),
  ];
}

function cases(all: readonly Completable[]): string {
  return all.map(({ name, words }) => `    "${name}") words="${words.join(' ')}" ;;`).join('\n');
}

function bash(all: readonly Completable[]): string {
  return `# lateen completion bash > /etc/bash_completion.d/lateen
_lateen() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in -*) ;; *) path="\${path:+$path }\${COMP_WORDS[i]}" ;; esac
  done
  while :; do
    case "$path" in
${cases(all)}
    esac
    [ -n "$words" ] && break
    case "$path" in *" "*) path="\${path% *}" ;; *) break ;; esac
  done
  case "\${COMP_WORDS[COMP_CWORD-1]}" in -f | --filename) COMPREPLY=($(compgen -f -- "$current")) ;;
  *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;; esac
}
complete -o filenames -F _lateen lateen
`;
}

function zsh(all: readonly Completable[]): string {
  return `#compdef lateen
# lateen completion zsh > "\${fpath[1]}/_lateen"
autoload -U +X bashcompinit && bashcompinit
${bash(all)}`;
}

function fish(all: readonly Completable[]): string {
  const lines = all.map(({ name, words }) => {
    const seen = name
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => `__fish_seen_subcommand_from ${word}`);
    const condition = seen.length === 0 ? '__fish_use_subcommand' : seen.join('; and ');
    return `complete -c lateen -n '${condition}' -f -a '${words.filter((word) => !/^-.$/.test(word)).join(' ')}'`;
  });
  return `# lateen completion fish > ~/.config/fish/completions/lateen.fish\n${lines.join('\n')}\n`;
}

const SHELLS: Readonly<Record<string, (all: readonly Completable[]) => string>> = {
  bash,
  zsh,
  fish,
};

export function registerCompletion(program: Command): void {
  program
    .command('completion <shell>')
    .description('print a completion script for bash, zsh or fish')
    .action(async (shell: string) => {
      const write = SHELLS[shell];
      if (write === undefined) throw new CommandError(`${shell}: want bash, zsh or fish`, 2);
      const { kinds } = await import('../../src/presets/control.ts');
      process.stdout.write(write(completables(program, kinds)));
    });
}
