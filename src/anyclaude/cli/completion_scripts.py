"""What shells run at a Tab: a script for each, with all words in it, so that no Python is started.

Each finds the level by the first words (`trace list`), then offers what may stand there. What is not ours is claude's,
of which no shell knows, so files are offered there. Names (`COMP_WORDS`, `_arguments`, `complete -n`) are the shells'
own: the manuals of bash ("Programmable Completion"), zsh ("zshcompsys") and fish ("complete").
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from shlex import quote
from typing import Final

from anyclaude.cli.words import Level, Option

_BASH: Final = """\
# Completion of anyclaude in bash, made by `anyclaude completion bash`.
_anyclaude() {
  local level='' depth=1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local flags='' commands='' rest='' values=''
  COMPREPLY=()
  while ((depth < COMP_CWORD)); do
    case "$level ${COMP_WORDS[depth]}" in
      @LEVELS@) level+=" ${COMP_WORDS[depth]}" ;;
      --) return ;;
      *) break ;;
    esac
    ((depth++))
  done
  [[ " ${COMP_WORDS[*]:1:COMP_CWORD-1} " == *' -- '* ]] && return
  # `--mode=x` is three words to bash, and one to that of macOS, 3.2
  if [[ $word == = ]]; then word=''
  elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $word == --*=* ]]; then before=${word%%=*} word=${word#*=}; fi
  case "$level" in
@LEVEL_WORDS@
  esac
  values=$rest
  if [[ $word == -* ]]; then values=$flags; elif ((depth == COMP_CWORD)); then values="$commands $rest"; fi
  case "$level $before" in
@VALUES@
  esac
  local IFS=$' \\t\\n'
  COMPREPLY=($(compgen -W "$values" -- "$word"))
}
# where nothing of ours fits, files are offered
complete -o bashdefault -o default -F _anyclaude anyclaude
"""

_ZSH: Final = """\
#compdef anyclaude
# Completion of anyclaude in zsh, made by `anyclaude completion zsh`.
_anyclaude() {
  local level='' state
  local -a commands line
  integer at=2
  while ((at < CURRENT)); do
    case "$level ${words[at]}" in
      (@LEVELS@) level+=" ${words[at]}" ;;
      (*) break ;;
    esac
    ((at++))
  done
  words=("${words[1]}" "${(@)words[at,-1]}")
  ((CURRENT -= at - 2))
  case "$level" in
@CASES@
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _anyclaude "$@"
else
  compdef _anyclaude anyclaude
fi
"""

_FISH: Final = """\
# Completion of anyclaude in fish, made by `anyclaude completion fish`.
function __anyclaude_in --argument-names wanted --description 'whether the words so far lead to this level'
  set -l typed (commandline -opc)
  set -e typed[1]
  set -l level ''
  for word in $typed
    contains -- "$level $word" @LEVELS@; or break
    set level "$level $word"
  end
  test "$level" = "$wanted"
end
function __anyclaude_at --argument-names wanted --description 'whether just these words stand there so far'
  set -l typed (commandline -opc)
  set -e typed[1]
  test (string join '' -- ' '$typed | string collect --allow-empty) = "$wanted"
end
@LINES@
"""


def bash(levels: Sequence[Level]) -> str:
    """Where no words are left, readline offers files."""
    named = {_name(level): level for level in levels}
    values = [
        f"    {_patterns(f'{name} {flag}' for flag in option.names)}) values={quote(' '.join(option.value.choices))} ;;"
        for name, level in named.items()
        for option in level.options
        if option.value is not None
    ]
    words = [f"    {quote(name)}) {_bash_words(level)} ;;" for name, level in named.items()]
    return _filled(_BASH, named, VALUES=values, LEVEL_WORDS=words)


def _bash_words(level: Level) -> str:
    lists = {
        "flags": [flag for option in level.options for flag in option.names],
        "commands": [*level.commands],
        "rest": [*level.rest.choices],
    }
    return " ".join(f"{name}={quote(' '.join(words))}" for name, words in lists.items() if words)


def zsh(levels: Sequence[Level]) -> str:
    """With what each word means beside it."""
    named = {_name(level): level for level in levels}
    return _filled(_ZSH, named, CASES=[line for name, level in named.items() for line in _zsh_case(name, level)])


def _zsh_case(name: str, level: Level) -> list[str]:
    specs = [_zsh_option(flag, option) for option in level.options for flag in option.names]
    commands = [quote(f"{command}:{about}") for command, about in level.commands.items()]
    if commands:
        specs.append(quote("1:command:{_describe command commands}"))
    if level.rest.choices:
        specs.append(quote(f"*: :({' '.join(level.rest.choices)})"))
    elif level.rest.files:
        specs.append(quote("*: :_files"))
    return [
        f"    ({quote(name)})",
        *([f"      commands=({' '.join(commands)})"] if commands else []),
        f"      _arguments -S : {' '.join(specs)} ;;",
    ]


def _zsh_option(flag: str, option: Option) -> str:
    about = option.about.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    if option.value is None:
        return quote(f"{flag}[{about}]")
    action = "_files" if option.value.files else f"({' '.join(option.value.choices)})"
    follows = "=" if flag.startswith("--") else "+"
    return quote(f"{flag}{follows}[{about}]: :{action}")


def fish(levels: Sequence[Level]) -> str:
    """With what each word means beside it."""
    named = {_name(level): level for level in levels}
    return _filled(_FISH, named, LINES=[line for name, level in named.items() for line in _fish_lines(name, level)])


def _fish_lines(name: str, level: Level) -> list[str]:
    inside = f"complete -c anyclaude -n {_fish_quote(f'__anyclaude_in {_fish_quote(name)}')}"
    exactly = f"complete -c anyclaude -n {_fish_quote(f'__anyclaude_at {_fish_quote(name)}')}"
    return [
        *([] if level.rest.files else [f"{inside} -f"]),
        *(f"{exactly} -f -a {word} -d {_fish_quote(about)}" for word, about in level.commands.items()),
        *(f"{inside} -a {word}" for word in level.rest.choices),
        *(f"{inside} {_fish_option(option)}" for option in level.options),
    ]


def _fish_option(option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    about = f"-d {_fish_quote(option.about)}"
    if option.value is None:
        return f"{names} {about}"
    follows = "-r -F" if option.value.files else f"-x -a {_fish_quote(' '.join(option.value.choices))}"
    return f"{names} {follows} {about}"


SCRIPTS: Final[Mapping[str, Callable[[Sequence[Level]], str]]] = {"bash": bash, "zsh": zsh, "fish": fish}


def _name(level: Level) -> str:
    """As the scripts build it up: each word behind a space."""
    return "".join(f" {word}" for word in level.path)


def _patterns(names: Iterable[str]) -> str:
    return " | ".join(quote(name) for name in names)


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _filled(script: str, named: Mapping[str, Level], **lines: Sequence[str]) -> str:
    below = [name for name in named if name]
    script = script.replace("@LEVELS@", " ".join(map(quote, below)) if script is _FISH else _patterns(below))
    for place, given in lines.items():
        script = script.replace(f"@{place}@", "\n".join(given))
    return script
